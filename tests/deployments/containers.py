"""The image of deploy/Dockerfile, built and started without a daemon.

The Dockerfile's last stage is carried out, instruction by instruction, on the
root file system that tools/image/build makes. A container is that tree under
an overlay, in mount, process and network namespaces of its own, with the user,
the variables and the command that `docker run` would give it, on a bridge that
the tests share with it. All of it wants root.
"""

import ctypes
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import time

import harness

DEPLOY = harness.ROOT / "deploy"
BRIDGE = "10.88.0.1"
START_SECONDS = 60
# Docker's, where an image says nothing else.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
# Where the Dockerfile's first stage has what it makes, and we have it.
BUILT = {"/src/ui/build": harness.ROOT / "ui" / "build",
         "/millstream": pathlib.Path(harness.BINARY)}

# In the container's namespaces, as root; the arguments are the command.
ENTER = """
read -r _
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$HERE/upper,\
workdir=$HERE/work" "$HERE/tree"
mount -t proc proc "$HERE/tree/proc"
mount --rbind /dev "$HERE/tree/dev"
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
eval "$MOUNTS"
[ -z "$READ_ONLY" ] || mount -o remount,ro "$HERE/tree"
exec chroot --userspec="$AS" --groups= "$HERE/tree" \
  env -i -C "$WORKDIR" "$@"
"""


def isolate(names, hosts):
    """Puts this process, and all that it starts, into a network of its own,
    whose ports are all free and where `names` are the bridge; as the file
    `hosts`, which is written, says."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    for command in ("mount --make-rprivate /", "ip link set lo up",
                    # Else it would be that of whoever joined last.
                    "ip link add bridge0 address 02:00:00:00:00:01 "
                    "type bridge",
                    f"ip addr add {BRIDGE}/24 dev bridge0",
                    "ip link set bridge0 up"):
        run(*command.split())
    hosts.write_text("127.0.0.1 localhost\n"
                     + "".join(f"{BRIDGE} {name}\n" for name in names))
    run("mount", "--bind", hosts, "/etc/hosts")


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, **options)


def instructions(dockerfile):
    """[(instruction, arguments)] of the last stage."""
    text = dockerfile.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()
             if line.strip() and not line.startswith("#")]
    found = [tuple(line.split(None, 1)) for line in lines]
    last = max(i for i, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def link(path, to):
    """Nobody can write to what lies below an overlay."""
    try:
        os.link(os.path.realpath(path), to)
    except OSError:
        shutil.copy(path, to)


class Image:
    """What `docker build` makes of deploy/Dockerfile."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.base = pathlib.Path(run(
            harness.ROOT / "tools" / "image" / "build",
            stdout=subprocess.PIPE, text=True).stdout.strip())
        self.layer = self.folder / "layer"
        self.layer.mkdir()
        self.environment = {"PATH": PATH}
        self.user = "0:0"
        self.workdir = "/"
        self.ports = []
        self.entrypoint = self.command = self.health = None
        has_run = False
        for name, arguments in instructions(DEPLOY / "Dockerfile"):
            if name == "COPY" and has_run:
                self._copy(arguments.split())
            elif name == "ENV":
                for pair in shlex.split(arguments):
                    key, _, value = pair.partition("=")
                    self.environment[key] = value
            elif name == "USER":
                self.user = arguments
            elif name == "WORKDIR":
                self.workdir = arguments
            elif name == "EXPOSE":
                self.ports = list(map(int, arguments.split()))
            elif name == "HEALTHCHECK":
                self.health = json.loads(arguments.partition("CMD ")[2])
            elif name == "ENTRYPOINT":
                self.entrypoint = json.loads(arguments)
            elif name == "CMD":
                self.command = json.loads(arguments)
            elif name == "RUN":
                assert not has_run, "tools/image/build does one RUN"
                has_run = True
            else:
                assert name in ("FROM", "COPY", "VOLUME"), name

    @property
    def lower(self):
        return f"{self.layer}:{self.base}"

    def home_of(self, user):
        """What Docker sets HOME to."""
        for line in (self.base / "etc/passwd").read_text().splitlines():
            name, _, uid, _, _, home, _ = line.split(":")
            if user.partition(":")[0] in (name, uid):
                return home
        return "/"

    def _copy(self, words):
        built = words[0] == "--from=build"
        *sources, target = words[1:] if built else words
        for source in sources:
            path = BUILT[source] if built else harness.ROOT / source
            to = self.layer / target.lstrip("/")
            if path.is_dir():
                shutil.copytree(path, to, copy_function=link)
                continue
            if target.endswith("/"):
                to = to / path.name
            to.parent.mkdir(parents=True, exist_ok=True)
            link(path, to)


class Container:
    """One container of an image; `docker run` with `environment`, `user`,
    `mounts` {path inside: path here}, a root file system that is `read_only`
    and a command, if any. Can be started again, with what it wrote."""

    _numbers = iter(range(2, 255))

    def __init__(self, image, folder, *command, environment=(), user=None,
                 mounts=(), read_only=False):
        self.image = image
        self.folder = pathlib.Path(folder)
        self.address = f"10.88.0.{next(self._numbers)}"
        self._user = user or image.user
        self._command = [*image.entrypoint, *(command or image.command)]
        self._environment = {
            **image.environment, "HOME": image.home_of(self._user),
            "HOSTNAME": self.folder.name, **dict(environment)}
        self._mounts = {"/etc/hosts": "/etc/hosts", **dict(mounts)}
        self._read_only = read_only
        self._process = None
        for name in ("upper", "work", "tree"):
            (self.folder / name).mkdir(parents=True)
        # Not the owner of what the tests write.
        self.folder.chmod(0o755)

    def url(self, port):
        return f"http://{self.address}:{port}"

    def start(self):
        """Returns when the health check is content."""
        self.start_only()
        self.wait_until_healthy()
        return self

    def wait_until_healthy(self):
        deadline = time.monotonic() + START_SECONDS
        while not self.is_healthy():
            if self._process.poll() is not None:
                raise RuntimeError("the container ended:\n" + self.log())
            if time.monotonic() > deadline:
                raise RuntimeError("the container is not healthy:\n"
                                   + self.log())
            time.sleep(0.05)

    def start_only(self):
        uid, _, gid = self._user.partition(":")
        # Docker's group, where the user is a number that nobody has.
        gid = gid or "0"
        pairs = [f"{k}={v}" for k, v in self._environment.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid",
                 "--net", "--fork", "--kill-child", "sh", "-euc", ENTER, "sh",
                 *pairs, *self._command],
                env={"PATH": PATH, "LOWER": self.image.lower,
                     "HERE": str(self.folder), "AS": f"{uid}:{gid}",
                     "WORKDIR": self.image.workdir,
                     "MOUNTS": self._mount_commands(),
                     "READ_ONLY": "yes" if self._read_only else ""},
                stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._connect()
        self._process.stdin.write(b"go\n")
        self._process.stdin.close()

    def stop(self):
        """`docker stop`: SIGTERM to its first process; the exit status."""
        pid = self._first_process()
        os.kill(pid, signal.SIGTERM)
        status = self._process.wait(harness.STOP_SECONDS)
        self._process = None
        return status

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self, frozen):
        """The server does nothing any more; or goes on."""
        os.kill(self._first_process(),
                signal.SIGSTOP if frozen else signal.SIGCONT)

    def execute(self, *command):
        """`docker exec`: the ended process."""
        uid, _, gid = self._user.partition(":")
        pid = self._first_process()
        return subprocess.run(
            ["nsenter", f"--target={pid}", "--mount", "--pid", "--net",
             f"--root=/proc/{pid}/root", f"--setgid={gid or 0}",
             f"--setuid={uid}", *command],
            env=self._environment, capture_output=True, text=True,
            check=False)

    def is_healthy(self):
        return (self._first_process() is not None
                and self.execute(*self.image.health).returncode == 0)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def _mount_commands(self):
        commands = []
        for inside, here in self._mounts.items():
            target = f'"$HERE"/tree{shlex.quote(inside)}'
            make = ("mkdir -p" if pathlib.Path(here).is_dir()
                    else "install -D /dev/null")
            commands.append(f"[ -e {target} ] || {make} {target}; mount "
                            f"--bind {shlex.quote(str(here))} {target}")
        return "; ".join(commands)

    def _first_process(self):
        pid = self._process.pid
        try:
            children = pathlib.Path(
                f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def _connect(self):
        """A cable between the bridge and the container."""
        deadline = time.monotonic() + START_SECONDS
        while (pid := self._first_process()) is None:
            assert time.monotonic() < deadline and self._process.poll() is None
            time.sleep(0.01)
        number = int(self.address.rpartition(".")[2])
        name = f"to{number}"
        hardware = f"02:00:00:00:01:{number:02x}"
        # The kernel takes a dead container's cable away when it finds the
        # time, which may be after its next start.
        subprocess.run(["ip", "link", "delete", name], check=False,
                       capture_output=True)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0",
            "address", hardware, "netns", pid)
        # Nobody has to find out, and remember, where it is or was.
        run("ip", "neigh", "replace", self.address, "lladdr", hardware, "dev",
            "bridge0", "nud", "permanent")
        run("ip", "link", "set", name, "master", "bridge0", "up")
        run("nsenter", f"--target={pid}", "--net", "sh", "-ec",
            f"ip link set lo up; ip addr add {self.address}/24 dev eth0; "
            "ip link set eth0 up")
