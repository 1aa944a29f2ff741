"""Ending asyncio tasks for sure."""

from __future__ import annotations

import asyncio
from typing import Any, Iterable

AGAIN_SECONDS = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits for them.

    More than once if need be: up to Python 3.11 asyncio.wait_for swallows a
    cancellation that comes together with what it waits for.
    """
    left = {task for task in tasks if task is not asyncio.current_task()}
    while left:
        for task in left:
            task.cancel()
        left = (await asyncio.wait(left, timeout=AGAIN_SECONDS))[1]
