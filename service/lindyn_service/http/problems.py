"""Responses to errors, as application/problem+json (RFC 9457)."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from lindyn.wire.problem import FieldProblem, Problem
from lindyn_service.errors import InvalidRequestError, ServiceError
from lindyn_service.http.state import context_of

MEDIA_TYPE = "application/problem+json"

CLIENT_CLOSED_REQUEST = 499
METHOD_NOT_ALLOWED = 405
_MAX_NAMED_FIELDS = 4
NOT_FOUND = 404
TEMPORARY_REDIRECT = 307
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")  # HEAD is allowed wherever GET is


def install(app: FastAPI) -> None:
    """Answer the errors of routes and of routing in one shape."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)


def internal_error(request_id: str) -> Response:
    """Return the response to an internal error; its details are logged under the request id, not returned."""
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


async def send_problem(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the response to an error that middleware found before a route was reached."""
    await problem_response(error, context_of(scope).id)(scope, receive, send)


def client_closed_response() -> Response:
    """Return the response to a client that has disconnected and receives nothing; its status is for the log."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def problem_response(error: ServiceError, request_id: str) -> Response:
    """Return the response to an error whose details the client may see; it repeats no sentence.

    For an invalid request, `errors` describe what is wrong with each field, and `detail` names the fields. For any
    other error, `detail` is the whole description, and `errors` name the fields that it is about.
    """
    invalid = isinstance(error, InvalidRequestError) and error.errors
    title = f"{error.title[0].lower()}{error.title[1:]}"
    problem = Problem(
        type=f"/problems/{error.code}",
        code=error.code,
        title=error.title,
        status=error.status,
        detail=_invalid_fields([path for path, _ in error.errors]) if invalid else error.detail,
        errors=[FieldProblem(path=path, detail=detail if invalid else title) for path, detail in error.errors],
        request_id=request_id,
    )
    return _response(problem, error.headers)


def _invalid_fields(paths: list[str]) -> str:
    """Return a sentence that names the first few invalid fields and counts the others."""
    names = [path or "the body" for path in dict.fromkeys(paths)]
    items = names
    if len(names) > _MAX_NAMED_FIELDS:
        items = [*names[: _MAX_NAMED_FIELDS - 1], f"{len(names) - _MAX_NAMED_FIELDS + 1} more"]
    enumeration = " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))
    return f"{enumeration} {'is' if len(names) == 1 else 'are'} invalid"


def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    return problem_response(error, context_of(request.scope).id)


def _http_error(request: Request, error: Exception) -> Response:
    """Answer an error that the framework raises by itself: an unknown path or method."""
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
        detail=f"{request.method} {request.url.path}: {error.detail.lower()}; see /openapi.json for all routes",
        request_id=context_of(request.scope).id,
    )
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return _response(problem, headers)


def _allowed(request: Request) -> list[str]:
    """Return all methods of a path (RFC 9110, section 15.5.6); the framework names those of one route only."""
    allowed = [method for method in METHODS if _match({**request.scope, "method": method}) is Match.FULL]
    return ["GET", "HEAD", *allowed[1:]] if allowed[:1] == ["GET"] else allowed


def _match(scope: Scope) -> Match:
    """Return the best match of any route."""
    matches = (route.matches(scope)[0] for route in scope["app"].router.routes)
    return max(matches, key=lambda match: match.value)


def _is_served_without_slash(request: Request) -> bool:
    path: str = request.scope["path"]
    return path.endswith("/") and _match({**request.scope, "path": path[:-1]}) is not Match.NONE


def _without_slash(request: Request) -> Response:
    """Redirect to the path without its trailing slash.

    The location is relative, since a proxy may have removed a prefix of the path, and the `Host` of the request is not
    trusted.
    """
    last_segment = request.scope["path"].split("/")[-2]
    query = request.url.query
    location = f"../{quote(last_segment)}" + (f"?{query}" if query else "")
    return Response(status_code=TEMPORARY_REDIRECT, headers={"Location": location})


def _client_gone(_request: Request, _error: Exception) -> Response:
    return client_closed_response()


def _response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)
