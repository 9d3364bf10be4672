"""Parsing of request bodies, JSON or npz, into messages."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from lindyn.wire import npz
from lindyn.wire.document import InvalidDocumentError, graft, read
from lindyn.wire.json_text import RepeatedFieldError, parse_json
from lindyn_service.errors import BodyTooLargeError, InvalidRequestError, MalformedBodyError

JSON = "application/json"

_SMALL_BYTES = 16_384
_SMALL_PARTS = 500
_NUMBER_BYTES = 8
_NOT_UTF8 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)

_Model = TypeVar("_Model", bound=BaseModel)
_Conflicts = Callable[[_Model], Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Body:
    """An unparsed request body, and its limits.

    Attributes:
        content: bytes of the body.
        media_type: media type, of JSON or of npz.
        largest_bytes: limit of the size of its numbers as float64.
        max_parts: limit of the number of arrays, objects and fields, in JSON or in the metadata of an archive.
    """

    content: bytes
    media_type: str
    largest_bytes: int
    max_parts: int

    @property
    def is_small(self) -> bool:
        """Whether reading takes a few milliseconds at most, so that it may run in the event loop."""
        if len(self.content) > _SMALL_BYTES:
            return False
        if self.media_type == JSON:
            return _parts(self.content) <= _SMALL_PARTS
        return npz.expanded_bytes(self.content) <= _SMALL_BYTES

    def read(self, model: type[_Model], conflicts: _Conflicts[_Model] | None = None) -> _Model:
        """Parse and validate the body.

        Args:
            model: model of the message.
            conflicts: finds violated rules between fields of the message.

        Raises:
            BodyTooLargeError: JSON exceeds the limits.
            MalformedBodyError: the body is not JSON, is not an npz archive within the limits, or has a field twice.
            InvalidRequestError: the message is invalid; the error has all violated rules with their paths.
        """
        try:
            return read(model, self._tree(), conflicts)
        except InvalidDocumentError as error:
            raise InvalidRequestError(_summary(error), error.errors) from None

    def _tree(self) -> Any:  # noqa: ANN401 (JSON)
        if self.media_type == npz.MEDIA_TYPE:
            try:
                return graft(*npz.unpack(self.content, largest_bytes=self.largest_bytes, max_parts=self.max_parts))
            except npz.NpzError as error:
                remedy = "write it with np.savez(file, metadata=json_text, **arrays)"
                raise MalformedBodyError(f"{error}; {remedy}") from None
        self._limit_json()
        try:
            # NaN and Infinity are accepted here, so that validation can name the field that has them
            return parse_json(self.content.removeprefix(codecs.BOM_UTF8))
        except RepeatedFieldError as error:
            raise MalformedBodyError(f"in the body, {error}") from None
        except ValueError as error:
            raise MalformedBodyError(f"the body is not JSON: {error}") from None

    def _limit_json(self) -> None:
        if self.content.startswith(_NOT_UTF8):
            raise MalformedBodyError("the body is not JSON in UTF-8, but text in UTF-16 or UTF-32; send UTF-8")
        parts, numbers = _parts(self.content), self.content.count(b",")
        if parts > self.max_parts:
            raise BodyTooLargeError(
                f"the body has {parts} arrays, objects and fields, the limit is {self.max_parts} for JSON; send npz"
            )
        if numbers * _NUMBER_BYTES > self.largest_bytes:
            raise BodyTooLargeError(
                f"the body has about {numbers} numbers, the limit is {self.largest_bytes // _NUMBER_BYTES}; send fewer "
                "samples"
            )


def _parts(content: bytes) -> int:
    """Estimate the number of arrays, objects and fields, each of which takes far longer to parse than a number."""
    return content.count(b"[") + content.count(b"{") + content.count(b":")


def _summary(error: InvalidDocumentError) -> str:
    path, detail = error.errors[0]
    more = len(error.errors) - 1
    return f"{path or 'the body'}: {detail}" + (f" (and {more} more)" if more else "")
