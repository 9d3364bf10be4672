"""Every error as application/problem+json (RFC 9457)."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from lindyn.wire.problem import FieldProblem, Problem
from lindyn_service.errors import InvalidRequestError, ServiceError

MEDIA_TYPE = "application/problem+json"

CLIENT_CLOSED_REQUEST = 499
METHOD_NOT_ALLOWED = 405
_MOST_NAMED = 4
NOT_FOUND = 404
TEMPORARY_REDIRECT = 307
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")  # and HEAD with GET


def install(app: FastAPI) -> None:
    """Answer the errors of all routes, and of no route, in one shape."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)


def internal_error(request_id: str) -> Response:
    """The answer to a defect of ours: nothing but the request's id."""
    return _response(
        Problem(
            type="/problems/internal",
            code="internal",
            title="Internal error",
            status=500,
            detail="the service failed; report the request id",
            request_id=request_id,
        )
    )


def problem_response(error: ServiceError, request_id: str) -> Response:
    """The answer to an error that the client is told about; no sentence of it stands there twice.

    `errors` say what is wrong with a request that breaks rules, and `detail` where. Other errors are one sentence, the
    `detail`, and `errors` say where.
    """
    invalid = isinstance(error, InvalidRequestError) and error.errors
    title = f"{error.title[0].lower()}{error.title[1:]}"
    problem = Problem(
        type=f"/problems/{error.code}",
        code=error.code,
        title=error.title,
        status=error.status,
        detail=_places([path for path, _ in error.errors]) if invalid else error.detail,
        errors=[FieldProblem(path=path, detail=detail if invalid else title) for path, detail in error.errors],
        request_id=request_id,
    )
    return _response(problem, error.headers)


def _places(paths: list[str]) -> str:
    """Which fields are wrong, the first few by name."""
    names = [path or "the body" for path in dict.fromkeys(paths)]
    named = names if len(names) <= _MOST_NAMED else [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} more"]
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    return f"{listed} {'is' if len(names) == 1 else 'are'} invalid"


def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    return problem_response(error, request.state.request_id)


def _http_error(request: Request, error: Exception) -> Response:
    """What the framework raises by itself: unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == NOT_FOUND and _is_served_without_slash(request):
        return _without_slash(request)
    code = error.detail.lower().replace(" ", "-")
    problem = Problem(
        type=f"/problems/{code}",
        code=code,
        title=error.detail,
        status=error.status_code,
        detail=f"{request.method} {request.url.path}: {error.detail.lower()}; see /openapi.json for what is served",
        request_id=request.state.request_id,
    )
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return _response(problem, headers)


def _allowed(request: Request) -> list[str]:
    """What the path can be asked by (RFC 9110, section 15.5.6); the framework names one of its routes only."""
    allowed = [method for method in METHODS if _match({**request.scope, "method": method}) is Match.FULL]
    return ["GET", "HEAD", *allowed[1:]] if allowed[:1] == ["GET"] else allowed


def _match(scope: Scope) -> Match:
    """How well a route answers this, at best."""
    matches = (route.matches(scope)[0] for route in scope["app"].router.routes)
    return max(matches, key=lambda match: match.value)


def _is_served_without_slash(request: Request) -> bool:
    path: str = request.scope["path"]
    return path.endswith("/") and _match({**request.scope, "path": path[:-1]}) is not Match.NONE


def _without_slash(request: Request) -> Response:
    """Relative, since a proxy may have taken a prefix away, and the sender's `Host` may be anybody's."""
    last = request.scope["path"].split("/")[-2]
    query = request.url.query
    location = f"../{quote(last)}" + (f"?{query}" if query else "")
    return Response(status_code=TEMPORARY_REDIRECT, headers={"Location": location})


def _client_gone(_request: Request, _error: Exception) -> Response:
    """For the log: nobody reads it."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)
