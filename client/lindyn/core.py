"""What both clients share: requests before they are sent, answers after they came. Nothing here does I/O."""

import os
import platform
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Generic, Literal, TypedDict, TypeVar

import httpx
from pydantic import ValidationError

from lindyn.errors import ClosedError, LindynError, UnexpectedReplyError, UnreachableError, VersionWarning, from_problem
from lindyn.extras import how_to_install
from lindyn.wire import npz
from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.problem import Problem

T = TypeVar("T")

Format = Literal["npz", "json"]

JSON = "application/json"
VERSION = version("lindyn")
VERSION_HEADER = "X-Lindyn-Version"
USER_AGENT = f"lindyn/{VERSION} python/{platform.python_version()} httpx/{httpx.__version__}"

DEFAULT_URL = "http://127.0.0.1:8000"
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
        longest_seconds: how long to listen at most.
        heard: gets the data of each event and says whether waiting is over.
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


Flow = Generator[Call[Any] | Watch | Pause, Any, T]
"""Several steps, each done by whoever runs it; a call's answer is sent back, a problem is thrown in."""


@dataclass
class Connection:
    """What a client knows about its service.

    Attributes:
        url: its address.
        patience_seconds: how long refusals and lost connections are ridden out.
        reached: whether it has ever answered.
        closed: whether nothing more is asked.
    """

    url: str
    patience_seconds: float
    reached: bool = field(default=False, init=False)
    closed: bool = field(default=False, init=False)
    _warned: bool = field(default=False, init=False)

    @contextmanager
    def asking(self, path: str) -> Generator[None]:
        """Name what goes wrong on the way.

        Raises:
            UnreachableError: no answer, or not all of it.
            UnexpectedReplyError: an answer that is not HTTP.
            ClosedError: the client is closed.
        """
        if self.closed:
            raise ClosedError("this client is closed; make another one, or ask within its `with` block")
        try:
            yield
        except httpx.UnsupportedProtocol as error:
            host = self.url.rpartition("://")[2]
            raise UnreachableError(
                f"got the address {self.url!r}, which is not one of HTTP; give http://{host}"
            ) from error
        except httpx.TransportError as error:
            hint = "" if self.reached else "; is the service running? Start one with `make serve`, "
            hint += "" if self.reached else "or use lindyn.Client.local()"
            raise UnreachableError(
                f"no answer from {self.url}{path} ({type(error).__name__}: {error}){hint}"
            ) from error
        except httpx.DecodingError as error:
            raise UnexpectedReplyError(f"the answer from {self.url}{path} cannot be decompressed ({error})") from error

    def read(self, call: Call[T], response: httpx.Response) -> T:
        """Read an answer.

        Raises:
            ProblemError: the service refuses or fails.
            UnexpectedReplyError: it is not of the contract.
        """
        self.check(response)
        try:
            return call.read(response)
        except (npz.NpzError, InvalidDocumentError, ValidationError, ValueError, KeyError) as error:
            raise UnexpectedReplyError(
                f"the answer from {response.url} cannot be read ({error}); do the versions of client and service "
                f"fit? {_versions(response)}"
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
        error = _problem(self.url, response)
        if not fits:
            error.add_note(_versions(response))
        raise error


class Options(TypedDict):
    """What both clients of httpx are made with."""

    base_url: str
    headers: dict[str, str]
    timeout: float


def address(url: str | None) -> str:
    """Where the service is: as given, else LINDYN_URL, else where `make serve` has it."""
    return url or os.environ.get("LINDYN_URL") or DEFAULT_URL


def options(url: str, api_key: str | None, timeout_seconds: float, answers: Format) -> Options:
    """Who we are, what we want, and for how long we wait."""
    headers = {"Accept": npz.MEDIA_TYPE if answers == "npz" else JSON, "User-Agent": USER_AGENT}
    key = api_key or os.environ.get("LINDYN_API_KEY")
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return {"base_url": url, "headers": headers, "timeout": timeout_seconds}


def _problem(url: str, response: httpx.Response) -> LindynError:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return UnexpectedReplyError(
            f"{url}{response.url.path} answered {response.status_code} with {response.headers.get('content-type')}, "
            "which is no problem of lindyn; is something else listening there, or a proxy between?",
            response.status_code,
        )
    return from_problem(problem, retry_after(response.headers.get("Retry-After")))


def retry_after(value: str | None) -> float | None:
    """Seconds until a moment that is given as a number of seconds or as a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


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
