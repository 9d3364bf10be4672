"""Rules for retries: when a request may be sent again, and when that can help."""

from typing import TypedDict

import httpx

from lindyn._transport.calls import Call, Connection
from lindyn.errors import BusyError, ProblemError, RateLimitedError, UnexpectedReplyError, UnreachableError

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CUT = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)
_REFUSED_BEFORE_WORK = ("busy", "shutting-down")
_PROXY_STATUSES = (502, 503)  # a proxy answers with these while the service restarts


class RetrySettings(TypedDict):
    """Settings of stamina: exponential back-off with jitter for a limited time."""

    attempts: int | None
    timeout: float | None
    wait_initial: float
    wait_max: float
    wait_jitter: float


def retry_settings(patience_seconds: float) -> RetrySettings:
    """Return settings that retry until `patience_seconds` have passed; with 0, never."""
    is_impatient = patience_seconds <= 0
    return {
        "attempts": 1 if is_impatient else None,
        "timeout": None if is_impatient else patience_seconds,
        "wait_initial": 0.1,
        "wait_max": 5.0,
        "wait_jitter": 0.5,
    }


def should_retry(connection: Connection, call: Call[object], error: Exception) -> bool | float:
    """Return whether to retry after an error, or the delay in seconds that the service demands.

    - A request that never reached the service is sent again if the service has answered before: it is restarting.
      A service that never answered has another address, so that waiting would not help.
    - After a connection was cut, a repeatable call is sent again.
    - 429 and 503 are retried after the seconds of Retry-After, unless these are longer than patience.
    - Timeouts, deadlines and failures are not retried: the next attempt would take as long.
    """
    match error:
        case UnreachableError():
            cause = error.__cause__
            return connection.reached and (
                isinstance(cause, _NOT_SENT) or (call.repeatable and isinstance(cause, _CUT))
            )
        case UnexpectedReplyError():
            return call.repeatable and error.status in _PROXY_STATUSES
        case RateLimitedError():
            return _delay(connection, error)
        case BusyError():
            return (call.repeatable or error.problem.code in _REFUSED_BEFORE_WORK) and _delay(connection, error)
        case _:
            return False


def _delay(connection: Connection, error: ProblemError) -> bool | float:
    delay = error.retry_after_seconds
    if not delay:  # missing or in the past: the usual back-off applies
        return True
    return delay if delay <= connection.patience_seconds else False
