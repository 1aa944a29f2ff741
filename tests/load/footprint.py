"""What a process holds: memory, descriptors, threads."""

import contextlib
import itertools
import os
import re
import statistics
import threading
import time


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections(pid):
    """Descriptors of connections that stand, by what the system knows of
    them."""
    standing = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as lines:
            for fields in map(str.split, itertools.islice(lines, 1, None)):
                if fields[3] == "01":  # ESTABLISHED
                    standing.add(f"socket:[{fields[9]}]")
    return sum(name in standing for name in _opened(pid))


def sockets(pid):
    """Those of its descriptors that are connections or listen for them."""
    return sum(name.startswith("socket:") for name in _opened(pid))


def _opened(pid):
    """What each of its descriptors leads to."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(f"/proc/{pid}/fd/{number}")


class Memory(threading.Thread):
    """Looks at a process's memory all the time."""

    EVERY_SECONDS = 0.25

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pid = pid
        self._samples = []  # (when, MB)
        self._ended = threading.Event()

    def run(self):
        while not self._ended.wait(self.EVERY_SECONDS):
            with contextlib.suppress(FileNotFoundError):  # it has ended
                self._samples.append((time.monotonic(),
                                      resident_mb(self._pid)))

    def finish(self):
        self._ended.set()
        self.join()

    def quarters(self, begin, end):
        """MB in each quarter of that time, by its median: what a peak needs and
        gives back does not count."""
        quarter = (end - begin) / 4
        return [statistics.median(
            mb for when, mb in self._samples
            if begin + i * quarter <= when <= begin + (i + 1) * quarter)
                for i in range(4)]
