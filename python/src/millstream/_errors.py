"""What can go wrong, as callers see it."""

from __future__ import annotations


class Error(Exception):
    """A call failed. `code` is MLflow's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


# Trying again will not help. All other codes are tried again.
FINAL = frozenset({
    "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE",
    "PERMISSION_DENIED", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "NOT_FOUND",
    "ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED", "DATA_LOSS",
    "UNAUTHENTICATED",
})
# The server is there but has enough to do.
BUSY = frozenset({"RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED", "ABORTED"})
AWAY = "TEMPORARILY_UNAVAILABLE"
