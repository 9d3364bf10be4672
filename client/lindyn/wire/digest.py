"""Content addresses of requests."""

import hashlib
import struct

import numpy as np
from pydantic import BaseModel

from lindyn.wire.tree import Tree


def digest(request: BaseModel, solver: str) -> str:
    """Return the SHA-256 of a normalised request and the solver that answers it, as 64 hexadecimal digits.

    Numbers count by their value as float64, so that 1 and 1.0 are the same request; the order of fields does not count.
    """
    state = hashlib.sha256()
    for chunk in (solver.encode(), *_chunks(request.model_dump(by_alias=True))):
        state.update(struct.pack("<Q", len(chunk)))
        state.update(chunk)
    return state.hexdigest()


def _chunks(value: Tree) -> list[bytes]:
    """Serialise a value unambiguously: a type letter, then the content, lengths before collections."""
    match value:
        case None:
            return [b"n"]
        case bool():
            return [b"b", bytes([value])]
        case int():
            return [b"i", str(value).encode()]
        case float():
            return [b"f", struct.pack("<d", value + 0.0)]
        case str():
            return [b"s", value.encode()]
        case np.ndarray():
            shape = struct.pack(f"<{value.ndim}Q", *value.shape)
            return [b"a", shape, np.ascontiguousarray(value, dtype="<f8").tobytes()]
        case dict():
            items = [chunk for key in sorted(value) for chunk in (key.encode(), *_chunks(value[key]))]
            return [b"d", str(len(value)).encode(), *items]
        case list() | tuple():
            return [b"l", str(len(value)).encode(), *(chunk for item in value for chunk in _chunks(item))]
        case _:
            raise TypeError(f"a request holds a {type(value).__name__}, which has no content address")
