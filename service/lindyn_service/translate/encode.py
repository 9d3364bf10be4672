"""Answers as bytes: JSON, or npz with every array under its path."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import IO, Any, Literal

import numpy as np
import orjson

from lindyn.wire import npz

VERSION = version("lindyn")

SOLVER = f"{VERSION}/6"
"""Part of every key; raise the number when an answer's bytes change within a version."""

Format = Literal["json", "npz"]

BYTES_PER_NUMBER: dict[Format, int] = {"json": 20, "npz": 8}
"""Of an answer: in JSON a rounded mean, in npz exactly."""

_PIECE_BYTES = 2**20
_ENTRY_BYTES = 1024  # of an archive, beside the numbers of an array


def encode(document: Mapping[str, Any], form: Format) -> bytes:
    """Write an answer as JSON, or as npz: arrays by their path (`weights.0`), quantities by their name."""
    return _json(document) if form == "json" else npz.pack(*_parts(document))


def write(document: Mapping[str, Any], form: Format, file: IO[bytes]) -> None:
    """Write the same bytes into a file, a part of an array at a time."""
    if form == "json":
        file.writelines(_pieces(document))
    else:
        npz.write(file, *_parts(document))


def size_of(document: Mapping[str, Any], form: Format) -> int:
    """How many bytes the arrays of an answer take, about, and their heads."""
    _, arrays = _parts(document)
    return sum(_ENTRY_BYTES + BYTES_PER_NUMBER[form] * array.size for array in arrays.values())


def _json(value: Any) -> bytes:  # noqa: ANN401 (JSON)
    return orjson.dumps(value, np.ascontiguousarray, orjson.OPT_SERIALIZE_NUMPY)


def _pieces(value: Any) -> Iterator[bytes]:  # noqa: ANN401 (JSON)
    """What `_json` gives, with large arrays in pieces."""
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


def _parts(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and arrays of an archive."""
    arrays: dict[str, np.ndarray] = {}
    metadata = _without_arrays(document, "", arrays)
    return metadata, {path.removeprefix("quantities."): array for path, array in arrays.items()}


def transcode(body: bytes, form: Format) -> bytes:
    """Write a trajectory of the other format in this one."""
    if form == "npz":
        document = orjson.loads(body)
        quantities = {name: _as_arrays(name, value) for name, value in document["quantities"].items()}
        return encode({**document, "times": np.array(document["times"], dtype=float), "quantities": quantities}, form)
    metadata, arrays = npz.unpack(body, largest_bytes=2 * len(body))
    times = arrays.pop("times")
    return encode(_ordered({**metadata, "times": times, "quantities": _nested(arrays)}), form)


def _without_arrays(node: Mapping[str, Any], path: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Take the arrays out of a tree; what holds nothing else goes with them."""
    kept: dict[str, Any] = {}
    for name, value in node.items():
        here = f"{path}{name}"
        if isinstance(value, np.ndarray):
            arrays[here] = value
        elif isinstance(value, Mapping) and value:
            inner = _without_arrays(value, f"{here}.", arrays)
            if inner:
                kept[name] = inner
        elif isinstance(value, list | tuple) and any(isinstance(item, np.ndarray) for item in value):
            arrays |= {f"{here}.{i}": item for i, item in enumerate(value)}
        else:
            kept[name] = value
    return kept


def _nested(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Quantities by their paths: `balance.lambda` is part of a mapping, `weights.0` of a list."""
    nested: dict[str, Any] = {}
    for path, array in flat.items():
        name, _, key = path.partition(".")
        if key.isdecimal():
            nested.setdefault(name, []).append(array)
        elif key:
            nested.setdefault(name, {})[key] = array
        else:
            nested[name] = array
    return nested


def _as_arrays(name: str, value: Any) -> Any:  # noqa: ANN401 (JSON)
    if isinstance(value, Mapping):
        return {inner: _as_arrays(inner, part) for inner, part in value.items()}
    if name == "weights":
        return [np.array(layer, dtype=np.float64) for layer in value]
    return np.array(value, dtype=np.float64)


def _ordered(document: Mapping[str, Any]) -> dict[str, Any]:
    """Put fields where a trajectory has them, so that both ways to a format give the same bytes."""
    tail = ("times", "quantities", "diagnostics", "warnings", "version")
    return {name: document[name] for name in (*(n for n in document if n not in tail), *tail)}
