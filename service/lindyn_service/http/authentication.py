"""Who may do what: a key where the service has keys, and nothing for foreign web pages where it is open."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from lindyn_service.access.keyring import Keyring
from lindyn_service.access.keys import ANONYMOUS, Caller
from lindyn_service.access.keys import Scope as KeyScope
from lindyn_service.errors import ForbiddenError, ServiceError, UnauthorizedError
from lindyn_service.http.problems import problem_response

_OF_JOBS = ("sweeps", "experiments", "jobs")
_PROBES = ("/healthz", "/readyz")  # of load balancers, which ask by any name
_SAFE = ("GET", "HEAD", "OPTIONS")
_LONGEST_LABEL = 63

_Headers = dict[bytes, str]


def needed_scope(path: str) -> KeyScope | None:
    """What a key must allow for a path; None where everybody may ask. What is not known needs `solve`."""
    if path == "/metrics":
        return "metrics"
    if not path.startswith("/v1/") or path == "/v1/about":
        return None
    return "jobs" if path.split("/")[2] in _OF_JOBS else "solve"


class Authentication:
    """Pure ASGI middleware that lets callers in, and tells routes by `request.state.caller` who asks.

    Args:
        app: what it protects.
        keyring: the keys; None for an open service.
        hosts: names by which browsers may ask an open service, beside addresses and names without a dot.
        origins: web pages that may ask.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring | None, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._app = app
        self._keyring = keyring
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it before anything of its body is read."""
        if scope["type"] == "http":
            try:
                scope["state"]["caller"] = self._caller(scope)
            except ServiceError as error:
                await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller:
        needed = needed_scope(scope["path"])
        if scope["path"] in _PROBES or (needed is None and self._keyring is not None):
            return ANONYMOUS
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}  # the first of a name
        if self._keyring is None:
            self._refuse_foreign_pages(scope, headers)
            return ANONYMOUS
        caller = _identify(self._keyring, headers)
        if needed not in caller.scopes:
            raise ForbiddenError(
                f"the key of {caller.name} has the scopes {', '.join(sorted(caller.scopes))}, this needs {needed}; "
                "ask whoever runs the service for another key",
                challenge=f'error="insufficient_scope", scope="{needed}"',
            )
        return caller

    def _refuse_foreign_pages(self, scope: Scope, headers: _Headers) -> None:
        """Without keys, a page from elsewhere in the browser of somebody who can reach the service could ask it."""
        host = headers.get(b"host", "")
        server = scope.get("server")
        on_tcp = server is not None and server[1] is not None  # no browser reaches a unix socket
        if on_tcp and not self._is_ours(host):
            raise ForbiddenError(
                f"got a request for the host {host[:80]!r}; without keys this service answers to addresses, names "
                "without a dot and those in LINDYN_ALLOWED_HOSTS, since any other name may be a web page's trick"
            )
        if scope["method"] not in _SAFE and self._is_foreign(headers, host):
            raise ForbiddenError(
                "got a request from a web page of another site; without keys only the service's own pages may send it, "
                "and those of LINDYN_CORS_ORIGINS"
            )

    def _is_ours(self, host: str) -> bool:
        """Neither an address nor a name without a dot can be one whose owner lets it point here (DNS rebinding)."""
        name = _hostname(host)
        return _is_local(name) or name in self._hosts or "*" in self._hosts or _is_address(name)

    def _is_foreign(self, headers: _Headers, host: str) -> bool:
        origin = headers.get(b"origin")
        if origin in self._origins or "*" in self._origins:
            return False
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        return origin is not None and urlsplit(origin).netloc != host


def _identify(keyring: Keyring, headers: _Headers) -> Caller:
    kind, _, key = headers.get(b"authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise UnauthorizedError("this service needs a key; send it as `Authorization: Bearer KEY`")
    caller = keyring.find(key.strip())
    if caller is None:
        raise UnauthorizedError(
            "the key is not known here; check it for what was lost in copying, or ask for a new one",
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
    """Names of this machine, of a container or of a machine nearby are one label; those on the internet have more."""
    return 0 < len(name) <= _LONGEST_LABEL and "." not in name


@lru_cache(maxsize=64)
def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _caller(request: Request) -> Caller:
    return request.state.caller


CallerDep = Annotated[Caller, Depends(_caller)]
