"""Everything that the service answers with an error, one class per problem code (design: RFC 9457)."""

from typing import ClassVar


class ServiceError(Exception):
    """An error that a client is told about.

    Args:
        detail: what was got, what is allowed, what to do.
        errors: pairs of a path into the request (`network.dims`) and what is wrong there, which `detail` says as well:
            each error is told by one of the two.
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
        """Headers of the answer."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}

    def __reduce__(self) -> tuple[type["ServiceError"], tuple[str, tuple[tuple[str, str], ...]]]:
        """Travel whole from a worker process."""
        return type(self), (self.detail, self.errors)


class MalformedBodyError(ServiceError):
    """The body is not JSON, or not an npz archive."""

    code = "malformed-body"
    status = 400
    title = "The body cannot be read"


class MalformedRequestError(ServiceError):
    """What was sent is no HTTP, or not so that one can tell what was meant."""

    code = "malformed-request"
    status = 400
    title = "The request cannot be read"


class TargetTooLongError(ServiceError):
    """The path with its query has more bytes than the service reads."""

    code = "target-too-long"
    status = 414
    title = "The target is too long"


class HeadTooLargeError(ServiceError):
    """The head has more bytes, or more lines, than the service reads."""

    code = "head-too-large"
    status = 431
    title = "The head is too large"


class _AccessError(ServiceError):
    """Args: challenge: what a client that understands WWW-Authenticate is told (RFC 6750)."""

    def __init__(self, detail: str, challenge: str = "") -> None:
        super().__init__(detail)
        self._challenge = challenge

    @property
    def headers(self) -> dict[str, str]:
        """The challenge (RFC 9110, section 11.6.1)."""
        return {"WWW-Authenticate": ", ".join(filter(None, ('Bearer realm="lindyn"', self._challenge)))}


class UnauthorizedError(_AccessError):
    """No key was sent, or one that is not known."""

    code = "unauthorized"
    status = 401
    title = "A key is needed"


class ForbiddenError(_AccessError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFoundError(ServiceError):
    """Nothing is stored or served there."""

    code = "not-found"
    status = 404
    title = "Not found"


class BodyTooLargeError(ServiceError):
    """The body has more bytes, or more parts of JSON, than the service reads."""

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
        """What would do (RFC 9110, section 15.5.16)."""
        return {"Accept-Encoding": "identity"}


class InvalidRequestError(ServiceError):
    """A field breaks a rule of the contract."""

    code = "invalid-request"
    status = 422
    title = "The request is invalid"


class InfeasibleBalanceError(ServiceError):
    """No weights of these widths are balanced at this lambda."""

    code = "infeasible-balance"
    status = 422
    title = "No balanced weights exist for these widths"


class NotBalancedError(ServiceError):
    """The closed form needs balanced weights and these are not."""

    code = "not-balanced"
    status = 422
    title = "The weights are not balanced"


class NotApplicableError(ServiceError):
    """No available method covers the request, for another reason than balance."""

    code = "not-applicable"
    status = 422
    title = "No method covers this request"


class DivergedDescentError(ServiceError):
    """The learning rate is too large: training left the numbers."""

    code = "diverged"
    status = 422
    title = "Training diverged"


class TooLargeError(ServiceError):
    """The estimated cost is over a limit."""

    code = "too-large"
    status = 422
    title = "The request is too large"


class RateLimitedError(ServiceError):
    """A key is used more than is allowed.

    Args:
        detail: as always.
        retry_after_seconds: when there is room again.
    """

    code = "rate-limited"
    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class SlowBodyError(ServiceError):
    """The body did not arrive in time."""

    code = "slow-body"
    status = 408
    title = "The body took too long"

    @property
    def headers(self) -> dict[str, str]:
        """Nothing more is read from this connection."""
        return {"Connection": "close"}


class BusyError(ServiceError):
    """The queue for the workers is full."""

    code = "busy"
    status = 503
    title = "The service is busy"
    retry_after_seconds = 1


class ShuttingDownError(ServiceError):
    """The service is draining and takes no new work."""

    code = "shutting-down"
    status = 503
    title = "The service is shutting down"
    retry_after_seconds = 5


class DeadlineError(ServiceError):
    """The computation took longer than the service allows."""

    code = "deadline"
    status = 504
    title = "The deadline passed"
    retry_after_seconds = 5


class NoRoomError(ServiceError):
    """The disk is full, or cannot be written."""

    code = "no-room"
    status = 507
    title = "There is no room for the answer"


class WorkerLostError(ServiceError):
    """The worker process died, and so did the one that tried again."""

    code = "worker-lost"
    status = 503
    title = "The computation was lost"
    retry_after_seconds = 5


class InternalError(ServiceError):
    """A defect of ours; nothing of it is told."""
