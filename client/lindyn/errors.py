"""What can go wrong, as one small tree of exceptions."""

from typing import Any, ClassVar, cast

from lindyn.wire.problem import Problem


class LindynError(Exception):
    """Base of everything that this package raises about a service, and about what is to be sent to one."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel whole between processes; the cause goes along where it is one of these errors."""
        kind, arguments, *state = cast("tuple[Any, ...]", super().__reduce__())
        cause = {"__cause__": self.__cause__} if isinstance(self.__cause__, LindynError) else {}
        kept: dict[str, Any] = state[0] if state else {}
        return kind, arguments, {**kept, **cause}


class ArgumentError(LindynError, ValueError, TypeError):
    """An argument cannot be sent as it is; the message names it, and says what to pass instead."""


class ConfigurationError(LindynError, ValueError):
    """The address, the key, another argument of a client, or a variable of the environment cannot be used.

    The message names which.
    """


class UnreachableError(LindynError):
    """No service answers at the address, or it stopped answering."""


class UnexpectedReplyError(LindynError):
    """The answer is not of the contract: a proxy's page, or a service of another version.

    Attributes:
        status: of the answer, if that is what was unexpected.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ClosedError(LindynError):
    """The client was closed before."""


class UnknownNameError(LindynError, KeyError):
    """A result has nothing of this name; the message says what it has."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would quote it


class MissingLibraryError(LindynError, ImportError):
    """A method needs a library that the base package does not bring; the message says how to install it."""


class VersionWarning(UserWarning):
    """Client and service are of versions that need not understand each other."""


class LocalServiceError(LindynError):
    """A private service did not start."""


class JobFailedError(LindynError):
    """A job failed; its cause is the service's problem.

    Attributes:
        problem: the same, also where the cause is lost, as on the way out of a pool of processes; else None.
    """

    def __init__(self, message: str, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class JobCancelledError(LindynError):
    """A job was cancelled."""


class ProblemError(LindynError):
    """The service answered with a problem.

    Attributes:
        problem: all that it says.
        retry_after_seconds: when it may be asked again, if it says so.
    """

    codes: ClassVar[tuple[str, ...]] = ()
    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(self, problem: Problem, retry_after_seconds: float | None = None) -> None:
        request = [] if problem.request_id is None else [f"  request {problem.request_id}"]
        super().__init__("\n".join([*_lines(problem), *request]))
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Any, ...]:
        """Made of the problem again, not of the message."""
        kind, _, kept = super().__reduce__()
        return kind, (self.problem, self.retry_after_seconds), kept


def _lines(problem: Problem) -> list[str]:
    """What a problem says, once: fields one by one where several are wrong, else a sentence with its place."""
    fields = [f"{field.path or 'the body'}: {field.detail}" for field in problem.errors]
    if problem.code == "invalid-request" and fields:
        if len(fields) == 1:
            return [f"{fields[0]} ({problem.code})"]
        return [f"{problem.detail} ({problem.code})", *(f"  {field}" for field in fields)]
    places = ", ".join(field.path for field in problem.errors)
    return [f"{places}: {problem.detail} ({problem.code})" if places else f"{problem.detail} ({problem.code})"]


class RequestError(ProblemError):
    """The request breaks a rule; the message names the fields."""

    codes = ("invalid-request", "malformed-body", "malformed-request", "unsupported-media-type")


class InfeasibleBalanceError(ProblemError):
    """No weights of these widths have this lambda."""

    codes = ("infeasible-balance",)


class NotBalancedError(ProblemError):
    """The closed form needs balanced weights; the message gives the residual and the nearest lambda."""

    codes = ("not-balanced",)


class NotApplicableError(ProblemError):
    """No method covers the request."""

    codes = ("not-applicable",)


class DivergedError(ProblemError):
    """The learning rate is too large; the message says when training diverged."""

    codes = ("diverged",)


class TooLargeError(ProblemError):
    """The request or its answer is over a limit; the message names limit and remedy."""

    codes = ("too-large", "body-too-large", "head-too-large", "target-too-long")


class SlowBodyError(ProblemError):
    """The request did not arrive in the service's time; send less, or by a faster way."""

    codes = ("slow-body",)


class AccessError(ProblemError):
    """The service wants a key, or one with more rights: set LINDYN_API_KEY, or pass `api_key`."""

    statuses = (401, 403)


class NotFoundError(ProblemError):
    """Nothing is stored or served there."""

    codes = ("not-found",)


class BusyError(ProblemError):
    """The service cannot take the request now; try again."""

    codes = ("busy", "shutting-down", "jobs-unavailable")


class RateLimitedError(ProblemError):
    """Too many requests in too short a time, and more patience would not have helped."""

    statuses = (429,)


class NotDoneError(ProblemError):
    """The job has no result, or not yet."""

    codes = ("not-done",)


class DeadlineError(ProblemError):
    """The computation took longer than the service allows."""

    codes = ("deadline",)


class ServiceFailedError(ProblemError):
    """The service failed; report the request's id."""

    codes = ("internal", "worker-lost")


_BY_CODE = {code: kind for kind in ProblemError.__subclasses__() for code in kind.codes}
_BY_STATUS = {status: kind for kind in ProblemError.__subclasses__() for status in kind.statuses}


def from_problem(problem: Problem, retry_after_seconds: float | None = None) -> ProblemError:
    """Choose the class by the problem's code, else by its status; unknown ones get the base class."""
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status, ProblemError)
    return kind(problem, retry_after_seconds)
