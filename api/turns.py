"""Answers that take long take turns, so that they leave threads and processors to the rest."""

import asyncio
import functools
from asyncio import AbstractEventLoop, Semaphore
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from fastapi.concurrency import run_in_threadpool

AT_ONCE = 8
P = ParamSpec("P")
T = TypeVar("T")
_turns = WeakKeyDictionary[AbstractEventLoop, Semaphore]()


async def in_turn(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do something slow in a thread, after what came before it where as many as may are at work."""
    async with _turns.setdefault(asyncio.get_running_loop(), Semaphore(AT_ONCE)):
        return await run_in_threadpool(work, *given, **named)


def taking_turns(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Make an endpoint that does all its work in its turn."""

    @functools.wraps(endpoint)
    async def waited(*given: P.args, **named: P.kwargs) -> T:
        return await in_turn(endpoint, *given, **named)

    return waited
