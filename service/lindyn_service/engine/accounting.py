"""Quota accounting for the work of an engine."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, TypeVarTuple

from anyio import CancelScope

from lindyn_service.engine.base import Engine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Settle(Protocol):
    """Function that replaces a reservation by the work that was done."""

    def __call__(self, seconds: float, reserved: float, *, done: bool) -> Awaitable[None]:
        """Replace the reservation by the work that was done.

        Args:
            seconds: processor time of workers.
            reserved: flops that were reserved for the work.
            done: whether the work was completed.
        """
        ...


@dataclass(frozen=True)
class Account:
    """The quota to which work is charged.

    Attributes:
        reserve: reserves the estimated flops of work that is about to begin, or raises `RateLimitedError`.
        settle: replaces the reservation by the work that was done, after its end.
    """

    reserve: Callable[[float], Awaitable[None]]
    settle: Settle


async def _reserve_nothing(_flops: float) -> None:
    pass


async def _settle_nothing(seconds: float, reserved: float, *, done: bool) -> None:
    pass


UNLIMITED_ACCOUNT = Account(_reserve_nothing, _settle_nothing)
"""The account of callers without a quota."""


async def run_charged(engine: Engine, account: Account, flops: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function on an engine and charge its work to an account.

    Args:
        engine: the engine that runs the function.
        account: charged whether the function succeeds or not.
        flops: estimated work of the function.
        function: as of `Engine.run`.
        args: arguments of the function.

    Raises:
        RateLimitedError: the account has too little quota left.
        Exception: any error of the engine or the function.
    """
    await account.reserve(flops)
    seconds, done = 0.0, False

    def add_seconds(more: float) -> None:
        nonlocal seconds
        seconds += more

    try:
        result = await engine.run(function, *args, report_seconds=add_seconds)
        done = True
        return result
    finally:
        with CancelScope(shield=True):  # the work of a cancelled caller is charged as well
            await account.settle(seconds, flops, done=done)
