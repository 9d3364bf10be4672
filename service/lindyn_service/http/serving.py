"""From a request of any kind to its answer: read, address, compute or find, and send."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
from fastapi import Request
from fastapi.responses import Response

from lindyn.wire import npz
from lindyn.wire.base import Request as Message
from lindyn_service.access.keys import Caller
from lindyn_service.access.rate import Rates
from lindyn_service.answer import Account, Answer, Answers, normalise
from lindyn_service.http.body import JSON, read_body, wanted_format
from lindyn_service.http.filed import FiledResponse
from lindyn_service.http.headers import has_tag
from lindyn_service.http.problems import CLIENT_CLOSED_REQUEST
from lindyn_service.http.recall import Known, KnownBodies
from lindyn_service.http.record import note_answer, solved_by
from lindyn_service.operations import Operation
from lindyn_service.translate.encode import Format

_T = TypeVar("_T")
_Message = TypeVar("_Message", bound=Message)


async def serve(
    request: Request,
    operation: Operation[_Message],
    model: type[_Message],
    conflicts: Callable[[_Message], Sequence[tuple[str, str]]] | None = None,
) -> Response:
    """Answer a request whose body is a message of this kind.

    Raises:
        ServiceError: the body is not such a message, or it cannot be answered.
    """
    answers: Answers = request.app.state.answers
    form = wanted_format(request)
    started = time.perf_counter()
    asked = await read_body(request, model, conflicts)
    normal, key = normalise(operation, asked)
    if is_known(request, key):
        return not_modified(key)
    read_seconds = time.perf_counter() - started
    request.app.state.stage("read", read_seconds)
    caller: Caller = request.state.caller
    rates: Rates = request.app.state.rates
    account = Account(partial(rates.spend, caller.name), partial(rates.charge, caller.name))
    answer = await _unless_disconnected(request, answers.answer(operation, normal, key, form, account))
    if answer is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    solved = solved_by(operation, answer, normal, form)
    note_answer(request.scope, solved, answer.source, read_seconds, answer.seconds)
    words = request.scope["state"].get("words")
    if words is not None and normal is asked:  # no seed was drawn
        bodies: KnownBodies = request.app.state.bodies
        bodies.remember(words, Known(key, form, solved))
    return respond(answer, form)


def respond(answer: Answer, form: Format) -> Response:
    """Send an answer with its key, its source and how long it took."""
    headers = {
        "ETag": f'"{answer.key}"',
        "X-Cache": answer.source,
        "Server-Timing": f"answer;dur={1000 * answer.seconds:.2f}",
        "Vary": "Accept",
    }
    media_type = npz.MEDIA_TYPE if form == "npz" else JSON
    if isinstance(answer.body, bytes):
        return Response(answer.body, headers=headers, media_type=media_type)
    return FiledResponse(answer.body, headers, media_type)


def not_modified(key: str) -> Response:
    """The client has the answer."""
    return Response(status_code=304, headers={"ETag": f'"{key}"', "Vary": "Accept"})


def is_known(request: Request, key: str) -> bool:
    """Whether the client says that it has the answer."""
    return has_tag(request.headers.get("if-none-match", ""), key)


async def _unless_disconnected(request: Request, work: Awaitable[_T]) -> _T | None:
    """Await some work, or cancel it as soon as the client is gone."""
    result: _T | None = None
    failure: Exception | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            result = await work
        except Exception as error:
            failure = error  # raised below: the task group would wrap it in a group
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result
