"""Reading request bodies, JSON and npz, within bounds."""

import codecs
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel
from pydantic_core import from_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from lindyn.wire import npz
from lindyn.wire.document import InvalidDocumentError, graft, read
from lindyn_service.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    MalformedBodyError,
    SlowBodyError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from lindyn_service.http.budget import letting_go
from lindyn_service.http.negotiation import JSON
from lindyn_service.http.within import within
from lindyn_service.settings import Settings

_Model = TypeVar("_Model", bound=BaseModel)

_PLAIN = ("", "identity")
_NOT_UTF8 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@letting_go
async def read_body(
    request: Request,
    model: type[_Model],
    conflicts: Callable[[_Model], Sequence[tuple[str, str]]] | None = None,
    *,
    may_be_empty: bool = False,
) -> _Model:
    """Read, parse and validate a body.

    Raises:
        UnsupportedMediaTypeError: neither JSON nor npz, or compressed.
        SlowBodyError: it does not arrive in time.
        BodyTooLargeError: more bytes than the settings allow; reading stops there. Or more parts of JSON.
        MalformedBodyError: not JSON, or not an npz archive.
        InvalidRequestError: every rule of the contract that is broken, with its path.
    """
    settings: Settings = request.app.state.settings
    if (
        may_be_empty
        and request.headers.get("content-length", "0") == "0"
        and "transfer-encoding" not in request.headers
    ):
        return model()
    _refuse_encoded(request.headers.getlist("content-encoding"))
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (JSON, npz.MEDIA_TYPE):
        raise UnsupportedMediaTypeError(
            f"got content type {media_type or 'none'}; send {JSON} or {npz.MEDIA_TYPE} in Content-Type"
        )
    body = await _body(request, settings)
    if media_type == JSON:
        _limit_parts(body, settings.max_json_parts)
    return parse(body, media_type, model, conflicts, settings.max_body_bytes)


def parse(
    body: bytes,
    media_type: str,
    model: type[_Model],
    conflicts: Callable[[_Model], Sequence[tuple[str, str]]] | None,
    largest_bytes: int,
) -> _Model:
    """Turn the bytes of a body into the message that they are.

    Raises:
        MalformedBodyError: not JSON, or not an npz archive that expands to so many bytes at most.
        InvalidRequestError: every rule of the contract that is broken, with its path.
    """
    try:
        return read(model, _tree(body, media_type, largest_bytes), conflicts)
    except InvalidDocumentError as error:
        raise InvalidRequestError(_summary(error), error.errors) from None


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
        return await within(settings.body_seconds, _bounded(receive, settings.max_body_bytes))
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


def _limit_parts(body: bytes, limit: int) -> None:
    """Each takes microseconds in which nobody else is served, many times what a number takes."""
    parts = body.count(b"[") + body.count(b"{")
    if parts > limit:
        raise BodyTooLargeError(f"the body has {parts} arrays and objects, the limit is {limit} for JSON; send npz")


def _tree(body: bytes, media_type: str, limit: int) -> Any:  # noqa: ANN401 (JSON)
    if media_type == npz.MEDIA_TYPE:
        try:
            return graft(*npz.unpack(body, largest_bytes=limit))
        except npz.NpzError as error:
            raise MalformedBodyError(f"{error}; write it with np.savez(file, metadata=json_text, **arrays)") from None
    if body.startswith(_NOT_UTF8):
        raise MalformedBodyError("the body is not JSON in UTF-8, but text in UTF-16 or UTF-32; send UTF-8")
    try:
        # NaN and Infinity are read, so that the field that holds them can be named
        return from_json(body.removeprefix(codecs.BOM_UTF8), allow_inf_nan=True)
    except ValueError as error:
        raise MalformedBodyError(f"the body is not JSON: {error}") from None


def _summary(error: InvalidDocumentError) -> str:
    path, detail = error.errors[0]
    more = len(error.errors) - 1
    return f"{path or 'the body'}: {detail}" + (f" (and {more} more)" if more else "")
