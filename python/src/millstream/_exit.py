"""Ends the sessions of this process when it ends.

Handlers run in the opposite order of their registration. mlflow ends its active
run in one of its own, which must come before ours: so our plugin imports this
while mlflow is being imported.
"""

import atexit
import sys


def _end_sessions() -> None:
    module = sys.modules.get(f"{__package__}._session")
    if module is not None:
        module.close_all()


atexit.register(_end_sessions)
