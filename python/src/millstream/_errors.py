"""What can go wrong, as callers see it."""

from __future__ import annotations

AWAY = "TEMPORARILY_UNAVAILABLE"
NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
EXISTS = "RESOURCE_ALREADY_EXISTS"
INVALID = "INVALID_PARAMETER_VALUE"
# Where we called, there is no server of ours.
ELSEWHERE = "ENDPOINT_NOT_FOUND"


class Error(Exception):
    """A call failed. `code` is MLflow's error code."""

    def __init__(self, code: str, message: str, named: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        # Whether the server itself said so, and not gRPC or something on the
        # way to the server.
        self.named = named

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def refuses_item(self) -> bool:
        """Whether the server will never take what was sent."""
        return self.named and self.code in FINAL - CALLERS

    def refuses_run(self) -> bool:
        """The same for whatever is sent to that run, if so said of a call that
        can be refused for nothing else."""
        return self.named and self.code in (NOT_THERE, INVALID)


# Not that of the call, but of who makes it, or where: another password, the
# right server, and it is taken.
CALLERS = frozenset({
    "UNAUTHENTICATED", "PERMISSION_DENIED", ELSEWHERE})
# Trying again right away will not help. All other codes are tried again.
FINAL = CALLERS | {
    NOT_THERE, INVALID, EXISTS, "INVALID_STATE", "BAD_REQUEST", "NOT_FOUND",
    "NOT_IMPLEMENTED", "FEATURE_DISABLED", "DATA_LOSS"}
# The server is there but has enough to do.
BUSY = frozenset({"RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED", "ABORTED"})
