"""Receiving request bodies, within bounds of size and time."""

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
from lindyn_service.http.body_budget import letting_go
from lindyn_service.http.lazy_timeout import lazy_timeout
from lindyn_service.translate.body import JSON, Body

_Model = TypeVar("_Model", bound=BaseModel)

_PLAIN = ("", "identity")


async def receive_body(request: Request) -> Body:
    """Receive a body.

    Raises:
        UnsupportedMediaTypeError: neither JSON nor npz, or compressed.
        SlowBodyError: it does not arrive in time.
        BodyTooLargeError: more bytes than the settings allow; reading stops there.
    """
    settings: Settings = request.app.state.settings
    _refuse_encoded(request.headers.getlist("content-encoding"))
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (JSON, npz.MEDIA_TYPE):
        raise UnsupportedMediaTypeError(
            f"got content type {media_type or 'none'}; send {JSON} or {npz.MEDIA_TYPE} in Content-Type"
        )
    content = await _body(request, settings)
    return Body(content, media_type, settings.max_body_bytes, settings.max_json_parts)


@letting_go
async def read_parameters(request: Request, model: type[_Model]) -> _Model:
    """Receive and read a body that may be left out, and that is small.

    Raises:
        ServiceError: as `receive_body` and `Body.read` do.
        BodyTooLargeError: it is not small.
    """
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return model()
    body = await receive_body(request)
    if not body.is_small:
        raise BodyTooLargeError(f"the body has {len(body.content)} bytes, more than all parameters can take; send less")
    return body.read(model)


def _refuse_encoded(encodings: Sequence[str]) -> None:
    """A compressed body could expand to any size; arrays are small enough as npz."""
    if any(part.strip().lower() not in _PLAIN for value in encodings for part in value.split(",")):
        raise UnsupportedEncodingError(
            f"got Content-Encoding {', '.join(encodings)[:80]!r}; bodies are read as they are: send it uncompressed, "
            "without Content-Encoding, or arrays as npz"
        )


async def whole_body(receive: Receive, settings: Settings) -> bytes:
    """Read a body within the bounds of size and time.

    Raises:
        SlowBodyError: it does not arrive in time.
        BodyTooLargeError: more bytes than the settings allow; reading stops there.
        ClientDisconnect: the client left.
    """
    try:
        return await lazy_timeout(settings.body_seconds, _bounded(receive, settings.max_body_bytes))
    except TimeoutError:
        raise SlowBodyError(
            f"the body was not complete after {settings.body_seconds:g} s, the limit; send less, or npz"
        ) from None


async def _body(request: Request, settings: Settings) -> bytes:
    """The body, or what went wrong where it was read already."""
    found: bytes | Exception | None = request.scope["state"].pop("body", None)
    if isinstance(found, Exception):
        raise found
    return await whole_body(request.receive, settings) if found is None else found


async def _bounded(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(f"the body has more than {limit} bytes, the limit; send fewer samples, or npz")
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
