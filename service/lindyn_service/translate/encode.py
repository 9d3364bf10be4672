"""Encoding of answers as JSON, or as npz with each array under its path."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import IO, Literal, cast

import numpy as np
import orjson

from lindyn.wire import npz
from lindyn.wire.tree import JSON, Array, Tree, array_from_lists, arrays_from_lists, split, unflatten

VERSION = version("lindyn")

SOLVER = f"{VERSION}/12"
"""Part of every key; increment the number when the bytes of an answer change within a version."""

Format = Literal["json", "npz"]

BYTES_PER_NUMBER: dict[Format, int] = {"json": 20, "npz": 8}
"""Bytes of a number in an answer: about the mean in JSON, exact in npz."""

EVALUATION = "evaluation"
"""The field of a trajectory that holds arrays besides the times and the quantities."""

_PIECE_BYTES = 2**20
_ENTRY_BYTES = 1024  # of an array in an archive, in addition to its numbers


def encode(document: Mapping[str, Tree], form: Format) -> bytes:
    """Encode an answer as JSON, or as npz with arrays under their paths (`weights.0`), quantities under their names."""
    return _json(document) if form == "json" else npz.pack(*_parts(document))


def write(document: Mapping[str, Tree], form: Format, file: IO[bytes]) -> None:
    """Write the bytes of `encode` to a file, without holding all of them in memory."""
    if form == "json":
        file.writelines(_pieces(document))
    else:
        npz.write(file, *_parts(document))


def size_of(document: Mapping[str, Tree], form: Format) -> int:
    """Estimate the size of an encoded answer in bytes, from its arrays."""
    _, arrays = _parts(document)
    return sum(_ENTRY_BYTES + BYTES_PER_NUMBER[form] * array.size for array in arrays.values())


def _json(value: Tree) -> bytes:
    return orjson.dumps(value, np.ascontiguousarray, orjson.OPT_SERIALIZE_NUMPY)


def _pieces(value: Tree) -> Iterator[bytes]:
    """Yield the bytes of `_json`, with large arrays in pieces."""
    if isinstance(value, Mapping):
        opening = b"{"
        for name, inner in value.items():
            yield opening + _json(name) + b":"
            yield from _pieces(inner)
            opening = b","
        yield b"}" if value else b"{}"
    elif isinstance(value, np.ndarray) and value.ndim > 0 and value.nbytes > _PIECE_BYTES:
        rows = max(1, _PIECE_BYTES * len(value) // value.nbytes)
        opening = b"["
        for start in range(0, len(value), rows):
            yield opening + _json(value[start : start + rows])[1:-1]
            opening = b","
        yield b"]"
    elif isinstance(value, list | tuple) and any(isinstance(item, np.ndarray) for item in value):
        opening = b"["
        for item in value:
            yield opening
            yield from _pieces(item)
            opening = b","
        yield b"]"
    else:
        yield _json(value)


def _parts(document: Mapping[str, Tree]) -> tuple[dict[str, JSON], dict[str, Array]]:
    """Separate the metadata and the arrays of an archive, in which quantities have no common prefix."""
    metadata, arrays = split(document)
    return metadata, {path.removeprefix("quantities."): array for path, array in arrays.items()}


def transcode(body: bytes, form: Format) -> bytes:
    """Convert an encoded trajectory from the other format to this one."""
    if form == "npz":
        document: dict[str, JSON] = orjson.loads(body)
        quantities = arrays_from_lists("quantities", document["quantities"])
        arrays: dict[str, Tree] = {"times": array_from_lists(document["times"]), "quantities": quantities}
        if EVALUATION in document:
            evaluation = cast("dict[str, JSON]", document[EVALUATION])
            arrays[EVALUATION] = {**evaluation, "loss": array_from_lists(evaluation["loss"])}
        return encode({**document, **arrays}, form)
    metadata, parts = npz.unpack(body, largest_bytes=2 * npz.expanded_bytes(body))
    times, losses = parts.pop("times"), parts.pop(f"{EVALUATION}.loss", None)
    whole: dict[str, Tree] = {**metadata, "times": times, "quantities": unflatten(parts)}
    if losses is not None:
        whole[EVALUATION] = {"loss": losses, **cast("dict[str, JSON]", metadata[EVALUATION])}
    return encode(_ordered(whole), form)


def _ordered(document: Mapping[str, Tree]) -> dict[str, Tree]:
    """Sort the fields as in a trajectory, so that conversion gives the same bytes as encoding."""
    tail = ("times", "quantities", "diagnostics", "warnings", "version", EVALUATION)
    names = (*(n for n in document if n not in tail), *tail)
    return {name: document[name] for name in names if name in document}
