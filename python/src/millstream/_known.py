"""What the server said of experiments, kept for the time that it is away.

So that a run can be started then: it needs the id of its experiment.
"""

from __future__ import annotations

import hashlib
import os
import pathlib

# In the folder of spools; a file for each answer.
FOLDER = ".known"
FILES_MAX = 1000
READS = ("/GetExperimentByName", "/GetExperiment")


class Known:
    """The answers of one server. Processes may share the folder."""

    def __init__(self, spool: pathlib.Path, target: str) -> None:
        self._folder = spool / FOLDER
        self._target = target

    def recall(self, path: str, request: bytes) -> bytes | None:
        """The last answer to that; None if there is none."""
        if not path.endswith(READS):
            return None
        try:
            return self._file(path, request).read_bytes()
        except OSError:
            return None

    def remember(self, path: str, request: bytes, answer: bytes) -> None:
        if not path.endswith(READS) or self.recall(path, request) == answer:
            return
        file = self._file(path, request)
        scratch = file.with_name(f"{file.name}.{os.getpid()}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            old = sorted(self._folder.iterdir(),
                         key=lambda path: path.stat().st_mtime)
            for path_of_old in old[:max(0, len(old) - FILES_MAX + 1)]:
                path_of_old.unlink()
            scratch.write_bytes(answer)
            scratch.rename(file)
        except OSError:
            pass  # it is asked for when it is needed, then

    def _file(self, path: str, request: bytes) -> pathlib.Path:
        asked = b"\0".join([self._target.encode(), path.encode(), request])
        return self._folder / hashlib.sha256(asked).hexdigest()
