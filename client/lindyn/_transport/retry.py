"""When asking again is safe and may help."""

from typing import Any, TypedDict

import httpx

from lindyn._transport.calls import Call, Connection
from lindyn.errors import BusyError, ProblemError, RateLimitedError, UnexpectedReplyError, UnreachableError

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CUT = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)
_REFUSED_FIRST = ("busy", "shutting-down")  # before anything was done
_PROXY = (502, 503)  # pages of a proxy whose service is being restarted


class Pace(TypedDict):
    """Settings of stamina: exponential back-off with jitter until patience ends."""

    attempts: int | None
    timeout: float | None
    wait_initial: float
    wait_max: float
    wait_jitter: float


def pace(patience_seconds: float) -> Pace:
    """How often to ask again; without patience, never."""
    impatient = patience_seconds <= 0
    return {
        "attempts": 1 if impatient else None,
        "timeout": None if impatient else patience_seconds,
        "wait_initial": 0.1,
        "wait_max": 5.0,
        "wait_jitter": 0.5,
    }


def again(connection: Connection, call: Call[Any], error: Exception) -> bool | float:
    """Whether to ask again after this error, and in how many seconds if the service says so.

    - What never reached the service is sent again, if the service has answered before: then it is being restarted.
      Where nobody ever answered, the address is wrong, and waiting does not help.
    - A connection that was cut in the middle is tried again where the call is repeatable.
    - 429 and 503 are obeyed: after Retry-After seconds, if that is within our patience.
    - Time-outs, deadlines and failures are not repeated: they would take as long again.
    """
    match error:
        case UnreachableError():
            cause = error.__cause__
            return connection.reached and (
                isinstance(cause, _NOT_SENT) or (call.repeatable and isinstance(cause, _CUT))
            )
        case UnexpectedReplyError():
            return call.repeatable and error.status in _PROXY
        case RateLimitedError():
            return _delay(connection, error)
        case BusyError():
            return (call.repeatable or error.problem.code in _REFUSED_FIRST) and _delay(connection, error)
        case _:
            return False


def _delay(connection: Connection, error: ProblemError) -> bool | float:
    wanted = error.retry_after_seconds
    if not wanted:  # nothing said, or a moment that is past: as after any refusal
        return True
    return wanted if wanted <= connection.patience_seconds else False
