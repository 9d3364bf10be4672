"""What both clients share: requests before they are sent, answers after they came. Nothing here does I/O."""

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
from lindyn._transport.address import PRIVATE_URL, bearer, without_secrets
from lindyn._transport.connections import trusted
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
from lindyn.wire.problem import Problem

T = TypeVar("T")

Format = Literal["npz", "json"]

JSON = "application/json"
VERSION = version("lindyn")
VERSION_HEADER = "X-Lindyn-Version"
USER_AGENT = f"lindyn/{VERSION} python/{platform.python_version()} httpx/{httpx.__version__}"

DEFAULT_TIMEOUT_SECONDS = 90.0
DEFAULT_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        repeatable: asking twice does the same as asking once. All is, since answers are addressed by their content,
            but for what creates a job: a second one would do the work again.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    content: bytes | None = None
    media_type: str | None = None
    repeatable: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """What the body is."""
        return {} if self.media_type is None else {"Content-Type": self.media_type}


@dataclass(frozen=True)
class Watch:
    """A stream of server-sent events, which ends by itself.

    Attributes:
        silence_seconds: a stream that says nothing for so long has ended.
        longest_seconds: how long to listen at most; whoever listens may notice only when something arrives.
        heard: gets the data of each event and says whether to stop listening.
    """

    path: str
    last_event_id: str
    silence_seconds: float
    longest_seconds: float
    heard: Callable[[str], bool]

    @property
    def headers(self) -> dict[str, str]:
        """Where to go on."""
        return {"Last-Event-ID": self.last_event_id}


@dataclass(frozen=True)
class Pause:
    """Some time of doing nothing."""

    seconds: float


@dataclass(frozen=True)
class Within:
    """A step that is given up after some time, whatever the service does; its outcome then is None.

    Attributes:
        step: what to do.
        seconds: how long it may take; infinity for no bound.
    """

    step: Call[Any] | Watch
    seconds: float


Steps = Generator[Call[Any] | Within | Pause, Any, T]
"""Several steps, each done by whoever runs it; a step's outcome is sent back, a problem ends the flow."""


@dataclass
class Connection:
    """What a client knows about its service.

    Attributes:
        url: its address.
        patience_seconds: how long refusals and lost connections are ridden out.
        proxy: what leads there, if not the network alone.
        reached: whether it has ever answered.
    """

    url: str
    patience_seconds: float
    proxy: Proxy | None = None
    reached: bool = field(default=False, init=False)
    _warned: bool = field(default=False, init=False)

    @contextmanager
    def asking(self, path: str) -> Generator[None]:
        """Name what goes wrong on the way.

        Raises:
            UnreachableError: no answer, or not all of it.
            UnexpectedReplyError: an answer that is not HTTP.
        """
        try:
            yield
        except httpx.TransportError as error:
            raise UnreachableError(
                f"no answer from {self.shown}{path} ({type(error).__name__}: {error}){self._hint(error)}"
            ) from error
        except httpx.DecodingError as error:
            raise UnexpectedReplyError(
                f"the answer from {self.shown}{path} cannot be decompressed ({error})"
            ) from error

    @property
    def shown(self) -> str:
        """The address, as errors show it."""
        return without_secrets(self.url).rstrip("/")

    def _hint(self, error: Exception) -> str:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"; none of the certificates that are trusted, {trusted()}, signs its own: name a file by SSL_CERT_FILE"
            )
        if self.proxy is not None:
            return f"; the way leads through the proxy {self.proxy.shown}: {self.proxy.remedy}"
        if self.url == PRIVATE_URL and not isinstance(error, httpx.TimeoutException):
            return "; has the private service ended? Start another one with lindyn.Client.local()"
        if self.reached:
            return ""
        return "; is the service running? Start one with `make serve`, or use lindyn.Client.local()"

    def read(self, call: Call[T], response: httpx.Response) -> T:
        """Read an answer.

        Raises:
            ProblemError: the service refuses or fails.
            UnexpectedReplyError: it is not of the contract.
        """
        self.check(response)
        try:
            return call.read(response)
        except Exception as error:  # whatever an answer that is none makes of what reads it
            raise UnexpectedReplyError(
                f"the answer from {_shown(response.url)} cannot be read ({type(error).__name__}: {error}); do the "
                f"versions of client and service fit? {_versions(response)}"
            ) from error

    def check(self, response: httpx.Response) -> None:
        """Raise what the service answers as a problem; warn once of a version that does not fit."""
        self.reached = True
        fits = _fits(response.headers.get(VERSION_HEADER, VERSION))
        if response.is_success:
            if not fits and not self._warned:
                self._warned = True
                warnings.warn(_versions(response), VersionWarning, stacklevel=2)
            return
        error = self._problem(response)
        if not fits:
            error.add_note(_versions(response))
        raise error

    def _problem(self, response: httpx.Response) -> LindynError:
        try:
            problem = Problem.model_validate_json(response.content)
        except ValidationError:
            return UnexpectedReplyError(
                f"{_shown(response.url)} answered {response.status_code} {self._instead(response)}",
                response.status_code,
            )
        return from_problem(problem, retry_after(response.headers.get("Retry-After")))

    def _instead(self, response: httpx.Response) -> str:
        """What an answer is that is none of the service."""
        if response.next_request is not None:  # where the answer says that it is to be had instead
            target = response.next_request.url
            asked = response.url.path.removeprefix(httpx.URL(self.url).path.rstrip("/"))
            there = _shown(target.copy_with(path=target.path.removesuffix(asked), query=None, fragment=None))
            return f"and points to {_shown(target)}; if the service is there, give that address: {there.rstrip('/')!r}"
        through = "" if self.proxy is None else f" The way leads through {self.proxy.shown}: {self.proxy.remedy}."
        return (
            f"with {response.headers.get('content-type')}, which is no problem of lindyn; is something else listening "
            f"there, or a proxy between?{through}"
        )


def headers(api_key: str | None, answers: Format) -> dict[str, str]:
    """Who we are, and what we want.

    Raises:
        ConfigurationError: no header can carry the key, or answers do not travel so.
    """
    if answers not in get_args(Format):
        raise ConfigurationError(f"answers: got {answers!r}, expected 'npz' or 'json'")
    key = bearer(api_key)
    sent = {"Accept": npz.MEDIA_TYPE if answers == "npz" else JSON, "User-Agent": USER_AGENT}
    return sent if key is None else {**sent, "Authorization": key}


def retry_after(value: str | None) -> float | None:
    """Seconds until a moment that is given as a number of seconds or as a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):  # whatever a damaged date makes of the parser
        return None
    return max(0.0, since.total_seconds())


def _shown(url: httpx.URL) -> str:
    return without_secrets(str(url))


def _fits(service: str) -> bool:
    """Whether two versions speak the same contract: the same major version, and before 1.0 the same minor one."""
    theirs, ours = service.split("."), VERSION.split(".")
    return theirs[: 1 + (ours[0] == "0")] == ours[: 1 + (ours[0] == "0")]


def _versions(response: httpx.Response) -> str:
    service = response.headers.get(VERSION_HEADER)
    if service is None:
        return f"This is client {VERSION}; the service does not tell its version."
    if _fits(service):
        return f"Both are of version {service}."
    return (
        f"The service is lindyn {service}, this client is {VERSION}; they need not understand each other: "
        f"{how_to_install(release=service)}"
    )
