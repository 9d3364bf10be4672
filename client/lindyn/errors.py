"""The exceptions of the client."""

from typing import Any, ClassVar, TypeAlias, cast

from lindyn._public import public
from lindyn.wire.problem import Problem

_Reduced: TypeAlias = tuple[Any, ...]


@public
class LindynError(Exception):
    """Base class of all exceptions of this package."""

    def __reduce__(self) -> _Reduced:
        """Pickle the cause, too, if it is one of these exceptions."""
        kind, arguments, *state = cast("_Reduced", super().__reduce__())
        cause = {"__cause__": self.__cause__} if isinstance(self.__cause__, LindynError) else {}
        kept: dict[str, object] = state[0] if state else {}
        return kind, arguments, {**kept, **cause}


@public
class ArgumentError(LindynError, ValueError, TypeError):
    """An argument cannot be sent; the message names the argument and the remedy."""


@public
class ConfigurationError(LindynError, ValueError):
    """The address, the key, another argument of a client, or a variable of the environment is invalid.

    The message names it.
    """


@public
class UnreachableError(LindynError):
    """No service answers at the address, or the connection was lost."""


@public
class UnexpectedReplyError(LindynError):
    """The reply does not fit the contract: it is the page of a proxy, or comes from another version.

    Attributes:
        status: status of an error reply that is not a problem document of lindyn; None for other replies.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@public
class ClosedError(LindynError):
    """The client is closed."""


@public
class UnknownNameError(LindynError, KeyError):
    """A result has no such name; the message lists the names that it has."""

    def __str__(self) -> str:
        return str(self.args[0])  # the text of a KeyError is in quotation marks


@public
class MissingLibraryError(LindynError, ImportError):
    """A method needs an optional library; the message says how to install it."""


@public
class VersionWarning(UserWarning):
    """The versions of client and service may be incompatible."""


@public
class LocalServiceError(LindynError):
    """A private service did not start."""


@public
class JobFailedError(LindynError):
    """A job failed; the cause of the error is the service's problem.

    Attributes:
        problem: the problem, which is available even if the cause is lost, as in a pool of processes; None if there
            is none.
    """

    def __init__(self, message: str, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


@public
class JobCancelledError(LindynError):
    """A job was cancelled."""


@public
class ProblemError(LindynError):
    """The service refused a request or failed, and described the problem.

    Attributes:
        problem: the description (RFC 9457).
        retry_after_seconds: delay after which the service permits a retry, or None.
    """

    codes: ClassVar[tuple[str, ...]] = ()
    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(self, problem: Problem, retry_after_seconds: float | None = None) -> None:
        request = [] if problem.request_id is None else [f"  request {problem.request_id}"]
        super().__init__("\n".join([*_lines(problem), *request]))
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> _Reduced:
        """Pickle the problem instead of the message."""
        kind, _, kept = super().__reduce__()
        return kind, (self.problem, self.retry_after_seconds), kept


def _lines(problem: Problem) -> list[str]:
    """Return the lines of a message: one for each field if several are invalid, else one sentence with the path."""
    fields = [f"{field.path or 'the body'}: {field.detail}" for field in problem.errors]
    if problem.code == "invalid-request" and fields:
        if len(fields) == 1:
            return [f"{fields[0]} ({problem.code})"]
        return [f"{problem.detail} ({problem.code})", *(f"  {field}" for field in fields)]
    paths = ", ".join(field.path for field in problem.errors)
    return [f"{paths}: {problem.detail} ({problem.code})" if paths else f"{problem.detail} ({problem.code})"]


@public
class RequestError(ProblemError):
    """The request is invalid; the message names the fields."""

    codes = ("invalid-request", "malformed-body", "malformed-request", "unsupported-media-type")


@public
class InfeasibleBalanceError(ProblemError):
    """No weights of these widths have this lambda."""

    codes = ("infeasible-balance",)


@public
class NotBalancedError(ProblemError):
    """The closed form needs balanced weights; the message gives the residual and the nearest lambda."""

    codes = ("not-balanced",)


@public
class NotApplicableError(ProblemError):
    """No method covers the request."""

    codes = ("not-applicable",)


@public
class UnreachableTargetError(ProblemError):
    """No value of a parameter within its bounds meets the target of a design; the message gives what is reached."""

    codes = ("unreachable",)


@public
class DivergedError(ProblemError):
    """The learning rate is too large; the message says when training diverged."""

    codes = ("diverged",)


@public
class TooLargeError(ProblemError):
    """The request or its reply exceeds a limit; the message names the limit and the remedy."""

    codes = ("too-large", "body-too-large", "head-too-large", "target-too-long")


@public
class SlowBodyError(ProblemError):
    """The request did not arrive within the service's time limit; send a smaller one, or use a faster network."""

    codes = ("slow-body",)


@public
class AccessError(ProblemError):
    """The service requires a key, or one with more rights: set LINDYN_API_KEY, or pass `api_key`."""

    statuses = (401, 403)


@public
class NotFoundError(ProblemError):
    """The service has no such trajectory, job, experiment or route."""

    codes = ("not-found",)


@public
class BusyError(ProblemError):
    """The service cannot take the request now; try again."""

    codes = ("busy", "shutting-down", "jobs-unavailable")


@public
class RateLimitedError(ProblemError):
    """The key's limit of requests is exceeded for longer than `patience_seconds`."""

    statuses = (429,)


@public
class NotDoneError(ProblemError):
    """The job has no result, or none yet."""

    codes = ("not-done",)


@public
class DeadlineError(ProblemError):
    """The computation exceeded the time limit of the service."""

    codes = ("deadline",)


@public
class ServiceFailedError(ProblemError):
    """The service failed; report the id of the request."""

    codes = ("internal", "worker-lost")


_BY_CODE = {code: kind for kind in ProblemError.__subclasses__() for code in kind.codes}
_BY_STATUS = {status: kind for kind in ProblemError.__subclasses__() for status in kind.statuses}


def from_problem(problem: Problem, retry_after_seconds: float | None = None) -> ProblemError:
    """Return the error for a problem: its class depends on the code, else on the status."""
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status, ProblemError)
    return kind(problem, retry_after_seconds)
