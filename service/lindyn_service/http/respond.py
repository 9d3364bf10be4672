"""Response to a request of any operation: receive the body, validate it, compute its key, and obtain the answer."""

import secrets
import time

from fastapi import Request
from fastapi.responses import Response

from lindyn.wire import npz
from lindyn.wire.base import Request as Message
from lindyn_service.answers.service import Answer, with_encoding
from lindyn_service.engine.accounting import Account, run_charged
from lindyn_service.engine.base import Engine
from lindyn_service.http.body_cache import CachedRequest, SolverRecord
from lindyn_service.http.charged_work import account_of, reading_flops
from lindyn_service.http.client_disconnect import unless_disconnected
from lindyn_service.http.conditional import client_has, etag_of, not_modified
from lindyn_service.http.content_negotiation import wanted_format
from lindyn_service.http.file_response import SpoolFileResponse
from lindyn_service.http.request_body import receive_body
from lindyn_service.http.request_record import record_answer
from lindyn_service.http.state import context_of, resources_of
from lindyn_service.operations.execute import Address, ReceivedRequest, address, read_and_address
from lindyn_service.operations.registry import RegisteredOperation
from lindyn_service.translate.body import JSON
from lindyn_service.translate.encode import Format


async def serve(request: Request, operation: RegisteredOperation) -> Response:
    """Answer a request of this operation.

    Raises:
        ServiceError: the body is not a valid request of this operation, or the request cannot be answered.
    """
    form = wanted_format(request.headers.raw)
    received = ReceivedRequest(await receive_body(request), secrets.token_bytes(16))
    try:
        return await unless_disconnected(request, _answer(request, operation, received, form))
    finally:
        # released before the answer is sent, since the client may take long to read it
        context_of(request.scope).release_body()


async def _answer(
    request: Request, operation: RegisteredOperation, received: ReceivedRequest, form: Format
) -> Response:
    resources, context = resources_of(request.scope), context_of(request.scope)
    started = time.perf_counter()
    account = account_of(request)
    source, address = await _address(resources.engine, account, operation, received)
    if source is not received:
        context.release_body()
    etag = etag_of(address.key, form)
    if client_has(request.method, request.headers.raw, etag):
        return not_modified(etag)
    read_seconds = time.perf_counter() - started
    resources.stage("read", read_seconds)
    answer = await resources.answers.answer(operation, source, address, form, account)
    solver = SolverRecord(operation.name, answer.method, round(with_encoding(address.cost, form).flops))
    record_answer(request.scope, solver, answer.source, read_seconds, answer.seconds)
    if context.body_key is not None and address.repeatable:
        resources.bodies.put(context.body_key, CachedRequest(address.key, form, solver))
    return respond(answer, form)


async def _address(
    engine: Engine, account: Account, operation: RegisteredOperation, received: ReceivedRequest
) -> tuple[Message | ReceivedRequest, Address]:
    """Validate and address a request: a small one here; a large one in a worker, and it stays unparsed here."""
    if received.body.is_small:
        return read_and_address(operation, received)
    return received, await run_charged(engine, account, reading_flops(received.body), address, operation.name, received)


def respond(answer: Answer, form: Format) -> Response:
    """Return the response with an answer; its headers name the key, the source and the time that it took."""
    headers = {
        "ETag": etag_of(answer.key, form),
        "X-Cache": answer.source,
        "Server-Timing": f"answer;dur={1000 * answer.seconds:.2f}",
        "Vary": "Accept",
    }
    media_type = npz.MEDIA_TYPE if form == "npz" else JSON
    if isinstance(answer.body, bytes):
        return Response(answer.body, headers=headers, media_type=media_type)
    return SpoolFileResponse(answer.body, headers, media_type)
