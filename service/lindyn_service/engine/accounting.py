"""Work of a worker on somebody's account."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, TypeVarTuple

from anyio import CancelScope

from lindyn_service.engine.base import Engine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Settle(Protocol):
    """Ends a reservation."""

    def __call__(self, seconds: float, reserved: float, *, done: bool) -> Awaitable[None]:
        """Count what was used.

        Args:
            seconds: processor time of workers.
            reserved: flops that were reserved for it.
            done: whether the work gave what it was asked for.
        """
        ...


@dataclass(frozen=True)
class Account:
    """Who pays for work.

    Attributes:
        reserve: is told the estimated flops of work that is about to begin, and may refuse it.
        settle: is told how the work ended.
    """

    reserve: Callable[[float], Awaitable[None]]
    settle: Settle


async def _allow(_flops: float) -> None:
    pass


async def _forget(seconds: float, reserved: float, *, done: bool) -> None:
    pass


NOBODY = Account(_allow, _forget)
"""For callers without a quota."""


async def paid(engine: Engine, account: Account, flops: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function on an engine, and have an account pay for it.

    Args:
        engine: runs it.
        account: pays, to whatever end the function comes.
        flops: that it is estimated to take.
        function: as `Engine.run` asks.
        args: of the function.

    Raises:
        RateLimitedError: the account refused.
        Exception: what the engine or the function raised.
    """
    await account.reserve(flops)
    seconds, done = 0.0, False

    def told(more: float) -> None:
        nonlocal seconds
        seconds += more

    try:
        result = await engine.run(function, *args, told=told)
        done = True
        return result
    finally:
        with CancelScope(shield=True):  # a caller who leaves pays, too
            await account.settle(seconds, flops, done=done)
