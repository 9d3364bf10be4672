"""Reception of request bodies within limits of size and time."""

from collections.abc import Sequence
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from lindyn.wire import npz
from lindyn_service.configuration.settings import Settings
from lindyn_service.errors import (
    BodyTooLargeError,
    SlowBodyError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from lindyn_service.http.lazy_timeout import lazy_timeout
from lindyn_service.http.state import context_of, resources_of
from lindyn_service.translate.body import JSON, Body

_Model = TypeVar("_Model", bound=BaseModel)

_UNCOMPRESSED = ("", "identity")


async def receive_body(request: Request) -> Body:
    """Receive the body of a request, without parsing it.

    Raises:
        UnsupportedEncodingError: the body is compressed.
        UnsupportedMediaTypeError: the body is neither JSON nor npz.
        SlowBodyError: the body does not arrive in time.
        BodyTooLargeError: the body has more bytes than the settings allow; the rest of it is not read.
    """
    settings = resources_of(request.scope).settings
    _refuse_compressed(request.headers.getlist("content-encoding"))
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (JSON, npz.MEDIA_TYPE):
        raise UnsupportedMediaTypeError(
            f"got content type {media_type or 'none'}; send {JSON} or {npz.MEDIA_TYPE} in Content-Type"
        )
    content = context_of(request.scope).take_body()
    if content is None:
        content = await whole_body(request.receive, settings)
    return Body(content, media_type, settings.max_body_bytes, settings.max_json_parts)


async def read_parameters(request: Request, model: type[_Model]) -> _Model:
    """Receive and parse an optional small body; the event loop parses it, so a large one is refused.

    Raises:
        ServiceError: as `receive_body` and `Body.read`.
        BodyTooLargeError: the body is too large to be parsed in the event loop.
    """
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return model()
    try:
        body = await receive_body(request)
        if not body.is_small:
            raise BodyTooLargeError(
                f"the body has {len(body.content)} bytes, more than all parameters can take; send shorter lists"
            )
        return body.read(model)
    finally:
        context_of(request.scope).release_body()


def _refuse_compressed(encodings: Sequence[str]) -> None:
    """Raise for a compressed body, which could expand to any size; npz is the compact format for arrays."""
    if any(part.strip().lower() not in _UNCOMPRESSED for value in encodings for part in value.split(",")):
        raise UnsupportedEncodingError(
            f"got Content-Encoding {', '.join(encodings)[:80]!r}; bodies are not decompressed: send it uncompressed, "
            "without Content-Encoding, or arrays as npz"
        )


async def whole_body(receive: Receive, settings: Settings) -> bytes:
    """Receive a body within the limits of size and time.

    Raises:
        SlowBodyError: the body does not arrive in time.
        BodyTooLargeError: the body has more bytes than the settings allow; the rest of it is not read.
        ClientDisconnect: the client disconnected.
    """
    try:
        return await lazy_timeout(settings.body_seconds, _receive_all(receive, settings.max_body_bytes))
    except TimeoutError:
        raise SlowBodyError(
            f"the body was not complete after {settings.body_seconds:g} s, the limit; send less data, or npz, which is "
            "smaller than JSON"
        ) from None


async def _receive_all(receive: Receive, limit: int) -> bytes:
    """Receive all chunks of a body of at most `limit` bytes."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(
                f"the body has more than {limit} bytes, the limit; send fewer samples, or npz, which is smaller "
                "than JSON"
            )
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
