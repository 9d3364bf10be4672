"""Connections to a service: made by each process for itself, and with certificates only where TLS is spoken."""

import os
import ssl
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypedDict, TypeVar

import httpx

from lindyn._transport.proxies import Proxy
from lindyn.errors import ConfigurationError

T = TypeVar("T", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)


@dataclass(frozen=True)
class Way(Generic[T]):
    """All that a connection is made of, so that every process, or event loop, can make its own.

    Attributes:
        url: the address of the service.
        headers: sent with every request; the key is among them.
        timeout_seconds: longest wait for an answer.
        transport: makes what the connection uses.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_seconds: float
    transport: Callable[[], T]


def blocking(way: Way[httpx.BaseTransport]) -> httpx.Client:
    """New connections."""
    return httpx.Client(transport=way.transport(), **_options(way))


def awaiting(way: Way[httpx.AsyncBaseTransport]) -> httpx.AsyncClient:
    """New connections for one event loop."""
    return httpx.AsyncClient(transport=way.transport(), **_options(way))


class Given:
    """A transport that somebody made, for the process that it was made in and for its first event loop."""

    def __init__(self, transport: httpx.BaseTransport | httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._process = os.getpid()
        self._loop: weakref.ref[Any] | None = None

    def __call__(self) -> Any:  # noqa: ANN401 (of either kind)
        """The transport."""
        if os.getpid() != self._process:
            self._refuse("process")
        return self._transport

    def check(self, loop: object) -> None:
        """Refuse an event loop other than the first; what is no network, such as an application, works in any."""
        self._loop = self._loop or weakref.ref(loop)
        if self._loop() is not loop and isinstance(self._transport, httpx.AsyncHTTPTransport):
            self._refuse("event loop")

    def __reduce__(self) -> NoReturn:
        """It has sockets and locks, which do not travel."""
        self._refuse("process")

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigurationError(
            f"transport: got one that is of another {what}, and its connections cannot be shared; pass a function that "
            "makes one, such as transport=functools.partial(httpx.HTTPTransport, uds=path), or make a client in each "
            f"{what}"
        )


def given(transport: T | Callable[[], T]) -> Callable[[], T]:
    """What makes the transport that was asked for."""
    if isinstance(transport, httpx.BaseTransport | httpx.AsyncBaseTransport):
        return Given(transport)
    return transport


def tcp(url: str, proxy: Proxy | None) -> httpx.BaseTransport:
    """Connections to a host, or to the proxy that leads there."""
    return httpx.HTTPTransport(**_ends(url, proxy))


def awaited_tcp(url: str, proxy: Proxy | None) -> httpx.AsyncBaseTransport:
    """The same, awaited."""
    return httpx.AsyncHTTPTransport(**_ends(url, proxy))


def socket(path: str) -> httpx.BaseTransport:
    """Connections to a unix socket."""
    return httpx.HTTPTransport(uds=path, verify=_trusting_nobody())


def awaited_socket(path: str) -> httpx.AsyncBaseTransport:
    """The same, awaited."""
    return httpx.AsyncHTTPTransport(uds=path, verify=_trusting_nobody())


def trusted() -> str:
    """Which certificates count, in words."""
    name = _source()
    return "those of the package certifi" if name is None else f"those of {name}={os.environ[name]}"


class _Options(TypedDict):
    base_url: httpx.URL
    auth: tuple[str, str] | None
    headers: Mapping[str, str]
    timeout: float


class _Ends(TypedDict):
    verify: ssl.SSLContext
    proxy: httpx.Proxy | None


def _options(way: Way[T]) -> _Options:
    url = httpx.URL(way.url)
    return {
        "base_url": url.copy_with(username=None, password=None),  # httpx shows addresses in logs and errors
        "auth": (url.username, url.password) if url.userinfo else None,
        "headers": way.headers,
        "timeout": way.timeout_seconds,
    }


def _ends(url: str, proxy: Proxy | None) -> _Ends:
    to_service, to_proxy = (each.lower().startswith("https:") for each in (url, "" if proxy is None else proxy.url))
    certificates = _certificates() if to_service or to_proxy else None
    return {
        "verify": certificates if to_service and certificates else _trusting_nobody(),
        "proxy": None if proxy is None else httpx.Proxy(proxy.url, ssl_context=certificates if to_proxy else None),
    }


def _trusting_nobody() -> ssl.SSLContext:
    """What transports need where no TLS is spoken; it reads no file, and were it used, nothing would be trusted."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _certificates() -> ssl.SSLContext:
    """Those that the environment names, else those that httpx brings.

    Raises:
        ConfigurationError: they cannot be read.
    """
    names = [name for name in (_source(), "SSLKEYLOGFILE") if name is not None and os.environ.get(name)]
    try:
        if _source() == "SSL_CERT_DIR":
            _refuse_lost_folders(os.environ["SSL_CERT_DIR"])
        return httpx.create_ssl_context()
    except OSError as error:  # errors of ssl are OSErrors too
        settings = ", ".join(f"{name}={os.environ[name]}" for name in names) or "the package certifi"
        raise ConfigurationError(
            f"the certificates for https:// cannot be loaded ({error}); correct or unset what names them: {settings}"
        ) from error


def _source() -> str | None:
    """The variable that names the certificates; the file comes before the folder."""
    return next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)


def _refuse_lost_folders(folders: str) -> None:
    """OpenSSL would trust nobody without a word."""
    if not any(os.path.isdir(folder) for folder in folders.split(os.pathsep)):
        raise FileNotFoundError(f"there is no folder {folders}")
