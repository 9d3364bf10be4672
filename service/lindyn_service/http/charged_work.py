"""Work in worker processes that is charged to the caller and cancelled when the client disconnects."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

from fastapi import Request

from lindyn_service.engine.accounting import Account, run_charged
from lindyn_service.http.client_disconnect import unless_disconnected
from lindyn_service.http.state import context_of, resources_of
from lindyn_service.translate.body import Body

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_FLOPS_PER_BYTE = 200.0  # of parsing and validating a body, measured for JSON and npz of numbers


def account_of(request: Request) -> Account:
    """Return the account of the caller of a request."""
    rates, name = resources_of(request.scope).rates, context_of(request.scope).caller.name
    return Account(partial(rates.reserve, name), partial(rates.settle, name))


def reading_flops(body: Body) -> float:
    """Estimate the cost of parsing and validating a body."""
    return _FLOPS_PER_BYTE * len(body.content)


async def charged(request: Request, flops: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function on the workers of requests; it is cancelled when the client disconnects.

    Args:
        request: of the caller who is charged.
        flops: estimated cost of the function.
        function: a function at the top of a module, as for `Engine.run`.
        args: of the function.

    Raises:
        ClientDisconnect: the client disconnected.
        RateLimitedError: the quota of the caller has no room for the estimate.
        Exception: what the engine or the function raised.
    """
    work = run_charged(resources_of(request.scope).engine, account_of(request), flops, function, *args)
    return await unless_disconnected(request, work)


async def charged_later(request: Request, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function as `charged` does, and charge its measured time without checking the quota first.

    Results of jobs are read in this way: their computation was within the quota, so reading them is never refused.
    """
    resources, caller = resources_of(request.scope), context_of(request.scope).caller

    async def allow(_flops: float) -> None:
        pass

    async def charge(seconds: float, reserved: float, *, done: bool) -> None:
        await resources.rates.charge(caller.name, seconds)

    work = run_charged(resources.engine, Account(allow, charge), 0.0, function, *args)
    return await unless_disconnected(request, work)
