"""Work of workers for one caller, who is charged for it and ends it by leaving."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

from fastapi import Request

from lindyn_service.access.keys import Caller
from lindyn_service.access.rate_limits import RateLimits
from lindyn_service.engine.accounting import Account, run_charged
from lindyn_service.http.client_disconnect import unless_disconnected
from lindyn_service.translate.body import Body

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_FLOPS_PER_BYTE = 200.0  # to parse and validate a body, measured for JSON and npz of numbers


def account_of(request: Request) -> Account:
    """The account of whoever sent a request."""
    rates: RateLimits = request.app.state.rates
    caller: Caller = request.state.caller
    return Account(partial(rates.reserve, caller.name), partial(rates.settle, caller.name))


def reading_flops(body: Body) -> float:
    """What reading a body is estimated to take."""
    return _FLOPS_PER_BYTE * len(body.content)


async def charged(request: Request, flops: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function on the workers of requests; it stops when the client leaves.

    Args:
        request: of the caller who pays.
        flops: that the function is estimated to take.
        function: as `Engine.run` asks.
        args: of the function.

    Raises:
        ClientDisconnect: the client left.
        RateLimitedError: its quota has no room for the estimate.
        Exception: what the engine or the function raised.
    """
    work = run_charged(request.app.state.engine, account_of(request), flops, function, *args)
    return await unless_disconnected(request, work)


async def charged_later(request: Request, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do as `charged` for what was computed on the quota before: it is charged, and never refused."""
    rates: RateLimits = request.app.state.rates
    caller: Caller = request.state.caller

    async def allow(_flops: float) -> None:
        pass

    async def charge(seconds: float, reserved: float, *, done: bool) -> None:
        await rates.charge(caller.name, seconds)

    work = run_charged(request.app.state.engine, Account(allow, charge), 0.0, function, *args)
    return await unless_disconnected(request, work)
