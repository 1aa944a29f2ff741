"""The files of deploy/: each is right by the rules of who reads it, and they
agree with one another, with the program and with docs/deployment.md."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
import requests
import yaml

import compose
import harness

DEPLOY = harness.ROOT / "deploy"
TOOLS = pathlib.Path(sys.executable).parent
FLAGS = (harness.ROOT / "docs" / "flags.md").read_text()
TEXT = (harness.ROOT / "docs" / "deployment.md").read_text()
KUBERNETES = DEPLOY / "kubernetes" / "millstream.yaml"
# Of the object store's and AWS's own tools.
FOREIGN = re.compile(r"(AWS|MINIO|POSTGRES)_|MLFLOW_S3_ENDPOINT_URL|PATH$")


def run(*command, **options):
    ended = subprocess.run(list(map(str, command)), capture_output=True,
                           text=True, check=False, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_dockerfile():
    run(TOOLS / "hadolint", DEPLOY / "Dockerfile")


@pytest.mark.parametrize("script", ["entrypoint", "healthcheck",
                                    "install-runtime", "mlflow"])
def test_scripts(script):
    path = DEPLOY / script
    shell = path.read_text().splitlines()[0].removeprefix("#!")
    run(shell, "-n", path)
    assert os.access(path, os.X_OK)


@pytest.fixture
def healthcheck(tmp_path):
    """healthcheck(server): its exit status."""

    def ask(server):
        ports = tmp_path / "ports"
        ports.write_text(
            f"{server.root_url.rpartition(':')[2]} "
            f"{server.grpc_address.rpartition(':')[2]}\n")
        return subprocess.run(
            [DEPLOY / "healthcheck"], capture_output=True, check=False,
            env={"MILLSTREAM_PORT_FILE": str(ports)}).returncode

    return ask


@pytest.mark.skipif(harness.REFERENCE is not None, reason="starts ours")
@pytest.mark.parametrize("tls", [False, True])
def test_the_health_check_knows_tls(tmp_path, healthcheck, tls):
    flags = []
    if tls:
        certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
            "-out", certificate, "-keyout", key)
        flags = ["--tls-cert", certificate, "--tls-key", key]
    server = harness.Server(tmp_path, *flags).start()
    try:
        assert healthcheck(server) == 0
        os.kill(server.pid, signal.SIGSTOP)
        assert healthcheck(server) != 0
        os.kill(server.pid, signal.SIGCONT)
        assert healthcheck(server) == 0
    finally:
        server.kill()
    assert healthcheck(server) != 0


def test_systemd_unit(tmp_path):
    unit = (DEPLOY / "millstream.service").read_text()
    # The program is not installed where this runs.
    program = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)[1]
    copy = tmp_path / "millstream.service"
    copy.write_text(unit.replace(program, str(harness.BINARY)))
    assert run("systemd-analyze", "verify", copy) == ""
    # Of 10.0, for a service that may do anything.
    run("systemd-analyze", "security", "--offline=true", "--threshold=25",
        copy)


def test_kubernetes_manifest():
    run(TOOLS / "kubernetes-validate", "--strict", KUBERNETES)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    """Of the server, in each compose file."""
    bundle = tmp_path_factory.mktemp("beanstalk") / "bundle"
    shutil.copytree(DEPLOY / "beanstalk", bundle)
    # Beanstalk's part, and its user's.
    (bundle / ".env").touch()
    (bundle / "htpasswd").touch()
    return {"for one": compose.service(DEPLOY / "compose.yaml", "millstream"),
            "team": compose.service(DEPLOY / "compose.team.yaml", "mlflow"),
            "beanstalk": compose.service(bundle / "docker-compose.yml",
                                         "millstream")}


def kubernetes():
    """(container, security context of its pod)"""
    for document in yaml.safe_load_all(KUBERNETES.read_text()):
        if document["kind"] == "StatefulSet":
            pod = document["spec"]["template"]["spec"]
            return pod["containers"][0], pod["securityContext"]
    raise AssertionError("no workload")


def dockerfile(name):
    return re.findall(rf"^{name} (.+)$",
                      (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def default(flag):
    return re.search(rf"`--{flag}` \| `\w+` \| (\S*) \|", FLAGS)[1]


def test_ports_agree(definitions):
    ports = [default("port"), default("grpc-port")]
    assert dockerfile("EXPOSE") == [" ".join(ports)]
    pod, _ = kubernetes()
    assert [str(p["containerPort"]) for p in pod["ports"]] == ports
    assert f"--port={ports[0]}" in pod["args"]
    for name, definition in definitions.items():
        command = definition.get("command") or ""
        words = shlex.split(command) if isinstance(command, str) else command
        wanted = (words[words.index("--port") + 1] if "--port" in words
                  else ports[0])
        assert compose.port(definition) == int(wanted), name
    assert f"port is {ports[0]}" in TEXT


def test_what_asks_nobody_is_open_to_its_machine_alone(definitions):
    """But for Beanstalk's, whose users are in the bundle."""
    for name in ("for one", "team"):
        for port in definitions[name]["ports"]:
            address = (port.partition(":")[0] if isinstance(port, str)
                       else port["host_ip"])
            assert address == "127.0.0.1", name


def test_the_pod_may_hold_what_the_server_lets_callers_send():
    pod, _ = kubernetes()
    limit = int(pod["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
    limits = (harness.ROOT / "base" / "limits.h").read_text()
    grpc = int(re.search(r"kGrpcTransportBytesMax = (\d+) << 20",
                         limits)[1]) << 20
    http = int(re.search(r"kHttpHeldBytesMax = ([\d']+);",
                         limits)[1].replace("'", ""))
    # The stores, streams, and what a request becomes while it is read.
    assert grpc + http + (512 << 20) <= limit


def test_users_agree():
    user, = dockerfile("USER")
    _, context = kubernetes()
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["fsGroup"] == context["runAsGroup"]
    made = (DEPLOY / "install-runtime").read_text()
    uid, _, gid = user.partition(":")
    assert f"--uid {uid} " in made and f"--gid {gid} " in made


def test_variables_are_known(definitions):
    """Of the server's flags, or told in docs/deployment.md."""
    pod, _ = kubernetes()
    used = {variable["name"] for variable in pod["env"]}
    used |= set(re.findall(r"^(?:ENV|   ) *(\w+)=", "\n".join(
        (DEPLOY / "Dockerfile").read_text().splitlines()), re.MULTILINE))
    for definition in definitions.values():
        used |= set(definition.get("environment") or {})
    unknown = {name for name in used if not FOREIGN.match(name)
               and f"`{name}`" not in FLAGS + TEXT}
    assert not unknown


def test_the_documents_variables_are_those_that_are_read():
    rows = [line.split("|")[1] for line in TEXT.splitlines()
            if line.startswith("| `")]
    told = set()
    for row in rows:
        whole = re.findall(r"`([A-Z_]+)`", row)
        # "_PORT" is MLFLOW_DB_PORT.
        told |= {"MLFLOW_DB" + n if n.startswith("_") else n for n in whole}
    read = set(re.findall(r'"([A-Z][A-Z_]+)"', (
        harness.ROOT / "app" / "container_environment.cc").read_text()))
    assert told == read


def test_every_file_is_told_of():
    for path in DEPLOY.iterdir():
        assert path.name in TEXT, path.name


def test_the_pod_starts(container, tmp_path):
    """As the manifest has it: nothing can be written but its volumes."""
    pod, context = kubernetes()
    assert pod["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {}
    for number, mount in enumerate(pod["volumeMounts"]):
        folder = tmp_path / f"volume{number}"
        folder.mkdir()
        os.chown(folder, 0, context["fsGroup"])
        folder.chmod(0o2775)
        mounts[mount["mountPath"]] = folder
    each = container(
        *pod["args"], read_only=True, mounts=mounts,
        user=f"{context['runAsUser']}:{context['runAsGroup']}",
        environment={v["name"]: v["value"] for v in pod["env"]}).start()
    probe = pod["readinessProbe"]["httpGet"]
    port = {p["name"]: p["containerPort"] for p in pod["ports"]}[probe["port"]]
    url = each.url(port)
    assert requests.get(url + probe["path"], timeout=30).text == "OK"
    assert "millstream" in requests.get(url + "/metrics", timeout=30).text
    for host, status in (("millstream:5000", 200), ("evil.example", 403)):
        assert requests.post(
            url + "/api/2.0/mlflow/experiments/search", timeout=30,
            json={"max_results": 1}, headers={"Host": host}
        ).status_code == status
    assert each.execute("touch", "/usr/x").returncode != 0
    assert each.stop() == 0
