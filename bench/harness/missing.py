"""Why a peer is not measured."""


class PeerMissing(Exception):
    """The peer's program is not on this machine; says how to get it."""
