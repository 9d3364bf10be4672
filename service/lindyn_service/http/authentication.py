"""Authentication by API keys, and protection of a service without keys against requests from foreign web pages."""

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.access.keyring import Keyring
from lindyn_service.access.keys import ANONYMOUS, Caller
from lindyn_service.access.keys import Scope as KeyScope
from lindyn_service.configuration.hosts import is_address
from lindyn_service.errors import ForbiddenError, ServiceError, UnauthorizedError
from lindyn_service.http.problems import send_problem
from lindyn_service.http.state import context_of

_JOB_ROUTES = ("sweeps", "fits", "experiments", "jobs")
_PROBES = ("/healthz", "/readyz")  # load balancers send any Host header
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_MAX_LABEL_LENGTH = 63  # of a name in DNS

_Headers = dict[bytes, str]


def needed_scope(path: str) -> KeyScope | None:
    """Return the scope that a key needs for a path, or None for a public path; unknown paths below /v1 need `solve`."""
    if path == "/metrics":
        return "metrics"
    if not path.startswith("/v1/") or path == "/v1/about":
        return None
    return "jobs" if path.split("/")[2] in _JOB_ROUTES else "solve"


class Authentication:
    """Pure ASGI middleware that authenticates callers and stores them in the context of the request.

    Args:
        app: the application that it protects.
        keyring: the keys; None for a service without keys.
        hosts: names that a service without keys accepts in Host, besides addresses and names without a dot.
        origins: origins of web pages that may send requests.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring | None, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._app = app
        self._keyring = keyring
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it before its body is read."""
        if scope["type"] == "http":
            try:
                context_of(scope).caller = self._caller(scope)
            except ServiceError as error:
                await send_problem(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller:
        needed = needed_scope(scope["path"])
        if scope["path"] in _PROBES or (needed is None and self._keyring is not None):
            return ANONYMOUS
        # reversed, so that the first of several headers of one name is kept
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
        if self._keyring is None:
            self._refuse_foreign_pages(scope, headers)
            return ANONYMOUS
        caller = _identify(self._keyring, headers)
        if needed not in caller.scopes:
            raise ForbiddenError(
                f"the key of {caller.name} has the scopes {', '.join(sorted(caller.scopes))}, this request needs "
                f"{needed}; ask the operator of the service for another key",
                challenge=f'error="insufficient_scope", scope="{needed}"',
            )
        return caller

    def _refuse_foreign_pages(self, scope: Scope, headers: _Headers) -> None:
        """Refuse requests that a foreign web page may have sent through the browser of a user who reaches the service.

        A service without keys would answer them, and the page would read the answers.
        """
        host = headers.get(b"host", "")
        server = scope.get("server")
        on_tcp = server is not None and server[1] is not None  # browsers cannot reach a unix socket
        if on_tcp and not self._is_accepted_host(host):
            raise ForbiddenError(
                f"got a request for the host {host[:80]!r}; without keys this service accepts addresses, names without "
                "a dot and the names in LINDYN_ALLOWED_HOSTS, since any other name may be one of a DNS rebinding attack"
            )
        if scope["method"] not in _SAFE_METHODS and self._is_cross_site(headers, host):
            raise ForbiddenError(
                "got a request from a web page of another site; without keys only the service's own pages may send it, "
                "and those of LINDYN_CORS_ORIGINS"
            )

    def _is_accepted_host(self, host: str) -> bool:
        """Return whether a Host header is safe from DNS rebinding.

        An attacker can let a name of his own point to this service, but no address and no name without a dot.
        """
        name = _hostname(host)
        return _is_local(name) or name in self._hosts or "*" in self._hosts or is_address(name)

    def _is_cross_site(self, headers: _Headers, host: str) -> bool:
        """Return whether the headers of a browser show that the request comes from a page of another site."""
        origin = headers.get(b"origin")
        if origin in self._origins or "*" in self._origins:
            return False
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        return origin is not None and urlsplit(origin).netloc != host


def _identify(keyring: Keyring, headers: _Headers) -> Caller:
    scheme, _, key = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError("this service needs a key; send it as `Authorization: Bearer KEY`")
    caller = keyring.find(key.strip())
    if caller is None:
        raise UnauthorizedError(
            "the key is unknown; check that it was copied completely, or ask the operator of the service for a new one",
            challenge='error="invalid_token"',
        )
    return caller


@lru_cache(maxsize=64)
def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_local(name: str) -> bool:
    """Return whether a name is a single label, as of this host, a container or the local network, and not in DNS."""
    return 0 < len(name) <= _MAX_LABEL_LENGTH and "." not in name
