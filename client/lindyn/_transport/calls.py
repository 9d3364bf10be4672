"""Requests and replies as values, which both clients share. Nothing here does I/O."""

import platform
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Generic, Literal, TypeVar, get_args

import httpx
from pydantic import ValidationError

from lindyn._install_hint import how_to_install
from lindyn._transport.address import PRIVATE_URL, bearer, require_seconds, without_secrets
from lindyn._transport.connections import trusted_certificates
from lindyn._transport.proxies import Proxy
from lindyn.errors import (
    ConfigurationError,
    LindynError,
    UnexpectedReplyError,
    UnreachableError,
    VersionWarning,
    from_problem,
)
from lindyn.wire import npz
from lindyn.wire.base import JSON_MEDIA_TYPE
from lindyn.wire.problem import Problem

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Format = Literal["npz", "json"]

VERSION = version("lindyn")
VERSION_HEADER = "X-Lindyn-Version"
USER_AGENT = f"lindyn/{VERSION} python/{platform.python_version()} httpx/{httpx.__version__}"

DEFAULT_TIMEOUT_SECONDS = 90.0
DEFAULT_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """A request and the decoder of its reply.

    Attributes:
        method: HTTP method.
        path: path of the route.
        read: decodes a successful reply.
        content: the body.
        media_type: the media type of the body.
        repeatable: whether sending the request twice has the same effect as once. Only the creation of a job is not
            repeatable: a second job would do the work again.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T_co]
    content: bytes | None = None
    media_type: str | None = None
    repeatable: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """Headers that describe the body."""
        return {} if self.media_type is None else {"Content-Type": self.media_type}


@dataclass(frozen=True)
class Listen:
    """Instruction to follow a stream of server-sent events until it ends.

    Attributes:
        path: path of the stream.
        last_event_id: id of the latest known event.
        silence_seconds: timeout between two pieces of the stream.
        longest_seconds: time after which the next piece ends the stream.
        on_event: receives the data of each event and returns whether to stop.
    """

    path: str
    last_event_id: str
    silence_seconds: float
    longest_seconds: float
    on_event: Callable[[str], bool]

    @property
    def headers(self) -> dict[str, str]:
        """Headers that ask for the events after the latest known one."""
        return {"Last-Event-ID": self.last_event_id}


@dataclass(frozen=True)
class Pause:
    """Instruction to sleep."""

    seconds: float


@dataclass(frozen=True)
class WithTimeout:
    """Instruction to take a step and to abandon it after some time, with the outcome None.

    Attributes:
        step: the step.
        seconds: the timeout; infinity for none.
    """

    step: Call[object] | Listen
    seconds: float


Steps = Generator[Call[object] | WithTimeout | Pause, Any, T]
"""A generator of instructions: a sender carries out each one and sends its outcome back; an error ends it."""


@dataclass
class Connection:
    """State of the connection to a service.

    Attributes:
        url: address of the service.
        patience_seconds: time for which refused requests and lost connections are retried.
        proxy: the proxy to the service, if there is one.
        reached: whether the service has ever answered.
    """

    url: str
    patience_seconds: float
    proxy: Proxy | None = None
    reached: bool = field(default=False, init=False)
    _warned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Raise ConfigurationError if the patience is no time."""
        require_seconds("patience_seconds", self.patience_seconds)

    @contextmanager
    def translating_errors(self, path: str) -> Generator[None]:
        """Translate errors of httpx during a request to errors of this package.

        Raises:
            UnreachableError: there is no reply, or an incomplete one.
            UnexpectedReplyError: the reply cannot be decompressed.
        """
        try:
            yield
        except httpx.TransportError as error:
            raise UnreachableError(
                f"no answer from {self.shown_url}{path} ({type(error).__name__}: {error}){self._hint(error)}"
            ) from error
        except httpx.DecodingError as error:
            raise UnexpectedReplyError(
                f"the answer from {self.shown_url}{path} cannot be decompressed ({error})"
            ) from error

    @property
    def shown_url(self) -> str:
        """The address without secrets, for messages."""
        return without_secrets(self.url).rstrip("/")

    def _hint(self, error: Exception) -> str:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"; none of the trusted certificates, {trusted_certificates()}, signs that of the "
                "service: name a file by SSL_CERT_FILE"
            )
        if "WRONG_VERSION_NUMBER" in str(error) and self.proxy is None:
            return "; what listens there does not speak TLS: does the address begin with http://?"
        if self.proxy is not None:
            return f"; the connection uses the proxy {self.proxy.shown}: {self.proxy.remedy}"
        if self.url == PRIVATE_URL and not isinstance(error, httpx.TimeoutException):
            return "; has the private service ended? Start another one with lindyn.Client.local()"
        if self.reached:
            return ""
        return "; is the service running? Start one with `lindyn serve`, or use lindyn.Client.local()"

    def read(self, call: Call[T], response: httpx.Response) -> T:
        """Decode a reply.

        Raises:
            ProblemError: the service refuses or fails.
            UnexpectedReplyError: the reply does not fit the contract.
        """
        self.check(response)
        try:
            return call.read(response)
        except Exception as error:  # an invalid reply can raise anything in the decoder
            raise UnexpectedReplyError(
                f"the answer from {_shown(response.url)} cannot be read ({type(error).__name__}: {error}); are "
                f"the versions of client and service compatible? {_versions(response)}"
            ) from error

    def check(self, response: httpx.Response) -> None:
        """Raise the problem in a reply, and warn once of an incompatible version of the service."""
        self.reached = True
        is_compatible = _is_compatible(response.headers.get(VERSION_HEADER, VERSION))
        if response.is_success:
            if not is_compatible and not self._warned:
                self._warned = True
                warnings.warn(_versions(response), VersionWarning, stacklevel=2)
            return
        error = self._error(response)
        if not is_compatible:
            error.add_note(_versions(response))
        raise error

    def _error(self, response: httpx.Response) -> LindynError:
        try:
            problem = Problem.model_validate_json(response.content)
        except ValidationError:
            return UnexpectedReplyError(
                f"{_shown(response.url)} answered {response.status_code} {self._foreign_reply(response)}",
                response.status_code,
            )
        return from_problem(problem, retry_after(response.headers.get("Retry-After")))

    def _foreign_reply(self, response: httpx.Response) -> str:
        """Describe an error reply that does not come from the service."""
        if response.next_request is not None:
            target = response.next_request.url
            route = response.url.path.removeprefix(httpx.URL(self.url).path.rstrip("/"))
            base = _shown(target.copy_with(path=target.path.removesuffix(route), query=None, fragment=None))
            return f"and points to {_shown(target)}; if the service is there, give that address: {base.rstrip('/')!r}"
        through = (
            "" if self.proxy is None else f" The connection uses the proxy {self.proxy.shown}: {self.proxy.remedy}."
        )
        return (
            f"with {response.headers.get('content-type')}, which is not an error of lindyn; another program or a "
            f"proxy may listen at this address.{through}"
        )


def headers(api_key: str | None, answers: Format) -> dict[str, str]:
    """Return the headers of all requests: format of the replies, user agent and key.

    Raises:
        ConfigurationError: the key contains characters that a header cannot carry, or the format is unknown.
    """
    if answers not in get_args(Format):
        raise ConfigurationError(f"answers: got {answers!r}, expected 'npz' or 'json'")
    authorization = bearer(api_key)
    common = {"Accept": npz.MEDIA_TYPE if answers == "npz" else JSON_MEDIA_TYPE, "User-Agent": USER_AGENT}
    return common if authorization is None else {**common, "Authorization": authorization}


def retry_after(value: str | None) -> float | None:
    """Return the delay in a Retry-After header, which is a number of seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        delay = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):  # the parser raises all of these for damaged dates
        return None
    return max(0.0, delay.total_seconds())


def _shown(url: httpx.URL) -> str:
    return without_secrets(str(url))


def _is_compatible(service: str) -> bool:
    """Return whether both versions have the same major number, and before 1.0 the same minor number."""
    theirs, ours = service.split("."), VERSION.split(".")
    return theirs[: 1 + (ours[0] == "0")] == ours[: 1 + (ours[0] == "0")]


def _versions(response: httpx.Response) -> str:
    service = response.headers.get(VERSION_HEADER)
    if service is None:
        return f"This is client {VERSION}; the reply does not state the version of the service."
    if _is_compatible(service):
        return f"Both are of version {service}."
    return (
        f"The service is lindyn {service}, this client is {VERSION}; they may be incompatible: "
        f"{how_to_install(release=service)}"
    )
