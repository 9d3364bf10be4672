"""The errors that the service returns to clients, one class per problem code (RFC 9457)."""

from typing import ClassVar


class ServiceError(Exception):
    """An error that is returned to the client.

    Args:
        detail: what was received, what is allowed and what to do.
        errors: pairs of a path into the request (`network.dims`) and the message for that field. `detail` holds the
            same messages in one text; a response shows each of them once.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry_after_seconds: int | None = None

    def __init__(self, detail: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that the response needs in addition."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}

    def __reduce__(self) -> tuple[type["ServiceError"], tuple[str, tuple[tuple[str, str], ...]]]:
        """Pickle all arguments, since `Exception` by itself keeps only the first on the way from a worker process."""
        return type(self), (self.detail, self.errors)


class MalformedBodyError(ServiceError):
    """The body is not JSON, or not an npz archive."""

    code = "malformed-body"
    status = 400
    title = "The body cannot be read"


class MalformedRequestError(ServiceError):
    """The bytes received are not a valid HTTP request, or an ambiguous one."""

    code = "malformed-request"
    status = 400
    title = "The request cannot be read"


class TargetTooLongError(ServiceError):
    """The request target (path and query) exceeds the size limit."""

    code = "target-too-long"
    status = 414
    title = "The target is too long"


class HeadTooLargeError(ServiceError):
    """The head of the request exceeds the limit of bytes or of lines."""

    code = "head-too-large"
    status = 431
    title = "The head is too large"


class _AccessError(ServiceError):
    """A refusal for lack of a key or of a scope.

    Args:
        detail: as of `ServiceError`.
        challenge: parameters of the WWW-Authenticate header (RFC 6750).
    """

    def __init__(self, detail: str, challenge: str = "") -> None:
        super().__init__(detail)
        self._challenge = challenge

    @property
    def headers(self) -> dict[str, str]:
        """The authentication challenge (RFC 9110, section 11.6.1)."""
        return {"WWW-Authenticate": ", ".join(filter(None, ('Bearer realm="lindyn"', self._challenge)))}


class UnauthorizedError(_AccessError):
    """The request has no API key, or an unknown one."""

    code = "unauthorized"
    status = 401
    title = "A key is needed"


class ForbiddenError(_AccessError):
    """The API key lacks the scope that the request needs."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFoundError(ServiceError):
    """The resource does not exist."""

    code = "not-found"
    status = 404
    title = "Not found"


class BodyTooLargeError(ServiceError):
    """The body exceeds the limit of bytes or of JSON parts."""

    code = "body-too-large"
    status = 413
    title = "The body is too large"


class UnsupportedMediaTypeError(ServiceError):
    """The body's content type is neither JSON nor npz."""

    code = "unsupported-media-type"
    status = 415
    title = "Unsupported content type"


class UnsupportedEncodingError(ServiceError):
    """The body is compressed."""

    code = "unsupported-media-type"
    status = 415
    title = "Unsupported content encoding"

    @property
    def headers(self) -> dict[str, str]:
        """The encoding that is accepted (RFC 9110, section 15.5.16)."""
        return {"Accept-Encoding": "identity"}


class InvalidRequestError(ServiceError):
    """A field of the request is invalid."""

    code = "invalid-request"
    status = 422
    title = "The request is invalid"


class InfeasibleBalanceError(ServiceError):
    """No balanced weights exist for these widths at this lambda."""

    code = "infeasible-balance"
    status = 422
    title = "No balanced weights exist for these widths"


class NotBalancedError(ServiceError):
    """The closed form needs balanced weights, and those of the request are not balanced."""

    code = "not-balanced"
    status = 422
    title = "The weights are not balanced"


class NotApplicableError(ServiceError):
    """No available method covers the request, for a reason other than balance."""

    code = "not-applicable"
    status = 422
    title = "No method covers this request"


class UnreachableError(ServiceError):
    """No value of a parameter within its bounds meets the target of a design."""

    code = "unreachable"
    status = 422
    title = "The target is not reached within the bounds"


class DivergedDescentError(ServiceError):
    """Gradient descent diverged to infinity, since the learning rate is too large."""

    code = "diverged"
    status = 422
    title = "Training diverged"


class TooLargeError(ServiceError):
    """The estimated cost of the request exceeds a limit."""

    code = "too-large"
    status = 422
    title = "The request is too large"


class RateLimitedError(ServiceError):
    """A rate limit or quota of an API key is exceeded.

    Args:
        detail: as of `ServiceError`.
        retry_after_seconds: seconds until a request may succeed again.
    """

    code = "rate-limited"
    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class SlowBodyError(ServiceError):
    """The body of the request did not arrive within the time limit."""

    code = "slow-body"
    status = 408
    title = "The body took too long"

    @property
    def headers(self) -> dict[str, str]:
        """The header that closes the connection, of which nothing more is read."""
        return {"Connection": "close"}


class BusyError(ServiceError):
    """The service is overloaded, for example since the queue for the workers is full."""

    code = "busy"
    status = 503
    title = "The service is busy"
    retry_after_seconds = 1


class ShuttingDownError(ServiceError):
    """The service is shutting down and accepts no new work."""

    code = "shutting-down"
    status = 503
    title = "The service is shutting down"
    retry_after_seconds = 5


class DeadlineError(ServiceError):
    """The computation exceeded its deadline."""

    code = "deadline"
    status = 504
    title = "The deadline passed"
    retry_after_seconds = 5


class NoRoomError(ServiceError):
    """The disk is full or cannot be written to."""

    code = "no-room"
    status = 507
    title = "There is no room for the answer"


class WorkerLostError(ServiceError):
    """The worker process died, and so did the worker of the second attempt."""

    code = "worker-lost"
    status = 503
    title = "The computation was lost"
    retry_after_seconds = 5


class InternalError(ServiceError):
    """Internal error; its details are logged, not returned."""
