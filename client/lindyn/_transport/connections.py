"""Connections to a service: each process makes its own, and certificates are loaded only for TLS."""

import os
import ssl
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypedDict, TypeVar

import httpx

from lindyn._transport.address import require_seconds
from lindyn._transport.proxies import Proxy
from lindyn.errors import ConfigurationError

T = TypeVar("T", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)


@dataclass(frozen=True)
class ConnectionSettings(Generic[T]):
    """Settings from which every process, or every event loop, makes its own connections.

    Attributes:
        url: address of the service.
        headers: headers of all requests; the key is among them.
        timeout_seconds: longest wait for a reply.
        transport: makes a transport.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_seconds: float
    transport: Callable[[], T]

    def __post_init__(self) -> None:
        """Raise ConfigurationError if the timeout is no time."""
        require_seconds("timeout_seconds", self.timeout_seconds, above=0.0)


def make_client(settings: ConnectionSettings[httpx.BaseTransport]) -> httpx.Client:
    """Make a blocking client of httpx."""
    return httpx.Client(transport=settings.transport(), **_options(settings))


def make_async_client(settings: ConnectionSettings[httpx.AsyncBaseTransport]) -> httpx.AsyncClient:
    """Make an asynchronous client of httpx for one event loop."""
    return httpx.AsyncClient(transport=settings.transport(), **_options(settings))


class SingleTransport:
    """A transport that the user made; it serves the process that it was made in, and its first event loop."""

    def __init__(self, transport: httpx.BaseTransport | httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._process = os.getpid()
        self._loop: weakref.ref[object] | None = None

    def __call__(self) -> Any:  # noqa: ANN401 (of either kind)
        """Return the transport.

        Raises:
            ConfigurationError: another process made it.
        """
        if os.getpid() != self._process:
            self._refuse("process")
        return self._transport

    def check(self, loop: object) -> None:
        """Refuse network connections of another event loop; an application as transport works in any loop.

        Raises:
            ConfigurationError: the transport has connections, and served another event loop before.
        """
        self._loop = self._loop or weakref.ref(loop)
        if self._loop() is not loop and isinstance(self._transport, httpx.AsyncHTTPTransport):
            self._refuse("event loop")

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, because sockets and locks cannot be."""
        self._refuse("process")

    def _refuse(self, owner: str) -> NoReturn:
        raise ConfigurationError(
            f"transport: got one that is of another {owner}, and its connections cannot be shared; pass a function "
            "that makes one, such as transport=functools.partial(httpx.HTTPTransport, uds=path), or make a client in "
            f"each {owner}"
        )


def transport_factory(transport: T | Callable[[], T]) -> Callable[[], T]:
    """Return a function that makes, or returns, the transport of an argument."""
    if isinstance(transport, httpx.BaseTransport | httpx.AsyncBaseTransport):
        return SingleTransport(transport)
    return transport


def tcp_transport(url: str, proxy: Proxy | None) -> httpx.BaseTransport:
    """Make a blocking transport to a host, directly or through a proxy."""
    return httpx.HTTPTransport(**_tcp_options(url, proxy))


def async_tcp_transport(url: str, proxy: Proxy | None) -> httpx.AsyncBaseTransport:
    """Make an asynchronous transport to a host, directly or through a proxy."""
    return httpx.AsyncHTTPTransport(**_tcp_options(url, proxy))


def unix_transport(path: str) -> httpx.BaseTransport:
    """Make a blocking transport to a unix socket."""
    return httpx.HTTPTransport(uds=path, verify=_empty_context())


def async_unix_transport(path: str) -> httpx.AsyncBaseTransport:
    """Make an asynchronous transport to a unix socket."""
    return httpx.AsyncHTTPTransport(uds=path, verify=_empty_context())


def trusted_certificates() -> str:
    """Return the source of the trusted certificates in words."""
    variable = _certificate_variable()
    return "those of the package certifi" if variable is None else f"those of {variable}={os.environ[variable]}"


class _ClientOptions(TypedDict):
    base_url: httpx.URL
    auth: tuple[str, str] | None
    headers: Mapping[str, str]
    timeout: float


class _TcpOptions(TypedDict):
    verify: ssl.SSLContext
    proxy: httpx.Proxy | None


def _options(settings: ConnectionSettings[T]) -> _ClientOptions:
    url = httpx.URL(settings.url)
    return {
        "base_url": url.copy_with(username=None, password=None),  # httpx writes addresses into logs and errors
        "auth": (url.username, url.password) if url.userinfo else None,
        "headers": settings.headers,
        "timeout": settings.timeout_seconds,
    }


def _tcp_options(url: str, proxy: Proxy | None) -> _TcpOptions:
    is_service_https, is_proxy_https = (_is_https(url), proxy is not None and _is_https(proxy.url))
    certificates = _load_certificates() if is_service_https or is_proxy_https else None
    return {
        "verify": certificates if is_service_https and certificates else _empty_context(),
        "proxy": None
        if proxy is None
        else httpx.Proxy(proxy.url, ssl_context=certificates if is_proxy_https else None),
    }


def _is_https(url: str) -> bool:
    return url.lower().startswith("https:")


def _empty_context() -> ssl.SSLContext:
    """Return a context for transports without TLS: it reads no file, and would trust no certificate."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _load_certificates() -> ssl.SSLContext:
    """Load the certificates that the environment names, or those of certifi.

    Raises:
        ConfigurationError: they cannot be read.
    """
    variables = [name for name in (_certificate_variable(), "SSLKEYLOGFILE") if name and os.environ.get(name)]
    try:
        if _certificate_variable() == "SSL_CERT_DIR":
            _require_a_folder(os.environ["SSL_CERT_DIR"])
        return httpx.create_ssl_context()
    except OSError as error:  # errors of ssl are OSErrors, too
        settings = ", ".join(f"{name}={os.environ[name]}" for name in variables) or "the package certifi"
        raise ConfigurationError(
            f"the certificates for https:// cannot be loaded ({error}); check their source: {settings}"
        ) from error


def _certificate_variable() -> str | None:
    """Return the variable that names the certificates; the file has priority over the folder, as in httpx."""
    return next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)


def _require_a_folder(folders: str) -> None:
    """Refuse folders that do not exist, because OpenSSL ignores them and then trusts no certificate."""
    if not any(os.path.isdir(folder) for folder in folders.split(os.pathsep)):
        raise FileNotFoundError(f"there is no folder {folders}")
