"""From a request of any kind to its answer: read, address, compute or find, and send."""

import secrets
import time
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from lindyn.wire import npz
from lindyn.wire.base import Request as Message
from lindyn_service.answers.service import Answer, AnswerService, estimated
from lindyn_service.engine.accounting import Account, run_charged
from lindyn_service.engine.base import Engine
from lindyn_service.http.body_cache import Known, KnownBodies
from lindyn_service.http.charged_work import account_of, reading_flops
from lindyn_service.http.client_disconnect import unless_disconnected
from lindyn_service.http.content_negotiation import listed, wanted_format
from lindyn_service.http.file_response import SpoolFileResponse
from lindyn_service.http.request_body import receive_body
from lindyn_service.http.request_record import note_answer, solved_by
from lindyn_service.http.security_headers import has_stored, has_tag, tag_of
from lindyn_service.operations.execute import Address, ReceivedRequest, address, take
from lindyn_service.operations.registry import Operation
from lindyn_service.translate.body import JSON
from lindyn_service.translate.encode import Format


async def serve(request: Request, operation: Operation[Any]) -> Response:
    """Answer a request of this kind.

    Raises:
        ServiceError: the body is no such request, or it cannot be answered.
    """
    form = wanted_format(request.headers.raw)
    sent = ReceivedRequest(await receive_body(request), secrets.token_bytes(16))
    try:
        return await unless_disconnected(request, _answered(request, operation, sent, form))
    finally:
        request.scope["state"]["held"].give_back()  # the client may take long to read its answer


async def _answered(request: Request, operation: Operation[Any], sent: ReceivedRequest, form: Format) -> Response:
    application = request.app.state
    started = time.perf_counter()
    account = account_of(request)
    source, address = await _addressed(application.engine, account, operation, sent)
    if source is not sent:
        request.scope["state"]["held"].give_back()
    if is_known(request, address.key, form):
        return not_modified(address.key, form)
    read_seconds = time.perf_counter() - started
    application.stage("read", read_seconds)
    answers: AnswerService = application.answers
    answer = await answers.answer(operation, source, address, form, account)
    solved = solved_by(operation.name, answer, estimated(address.cost, form))
    note_answer(request.scope, solved, answer.source, read_seconds, answer.seconds)
    words = request.scope["state"].get("words")
    if words is not None and address.repeats:
        bodies: KnownBodies = application.bodies
        bodies.remember(words, Known(address.key, form, solved))
    return respond(answer, form)


async def _addressed(
    engine: Engine, account: Account, operation: Operation[Any], sent: ReceivedRequest
) -> tuple[Message | ReceivedRequest, Address]:
    """The request, or what stands for it where reading takes long, and its address."""
    if sent.body.is_small:
        return take(operation, sent)
    return sent, await run_charged(engine, account, reading_flops(sent.body), address, operation.name, sent)


def respond(answer: Answer, form: Format) -> Response:
    """Send an answer with its key, its source and how long it took."""
    headers = {
        "ETag": tag_of(answer.key, form),
        "X-Cache": answer.source,
        "Server-Timing": f"answer;dur={1000 * answer.seconds:.2f}",
        "Vary": "Accept",
    }
    media_type = npz.MEDIA_TYPE if form == "npz" else JSON
    if isinstance(answer.body, bytes):
        return Response(answer.body, headers=headers, media_type=media_type)
    return SpoolFileResponse(answer.body, headers, media_type)


def not_modified(key: str, form: Format) -> Response:
    """The client has the answer in this format."""
    return Response(status_code=304, headers={"ETag": tag_of(key, form), "Vary": "Accept"})


def is_known(request: Request, key: str, form: Format) -> bool:
    """Whether the client says that it has the answer in this format; nothing is stored where requests are posted."""
    has = has_tag if request.method == "POST" else has_stored
    return has(listed(request.headers.raw, b"if-none-match"), tag_of(key, form))
