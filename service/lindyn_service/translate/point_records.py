"""Records of the points of a sweep, as they are stored: one line of JSON, and then the numbers.

The line has the shape of each array in place of the array. Numbers as JSON would take three times as many bytes, and
more time to write and to read than a point in a block takes to compute.
"""

from math import prod
from typing import Any, cast

import numpy as np
import orjson

from lindyn.wire.array import FloatArray

Record = dict[str, Any]
"""What is kept of a point: its `problem`, or its `values` by name, `warnings`, and `times` if it has its own."""

_NUMBER = np.dtype("<f8")


def pack_record(record: Record) -> bytes:
    """Return the bytes of a record."""
    if "values" not in record:
        return orjson.dumps(record)
    arrays = {name: np.asarray(value, dtype=_NUMBER) for name, value in record["values"].items()}
    head = {**record, "values": {name: array.shape for name, array in arrays.items()}}
    parts = [array.tobytes() for array in arrays.values()]
    if "times" in record:
        times = np.asarray(record["times"], dtype=_NUMBER)
        head["times"] = times.shape
        parts.append(times.tobytes())
    return b"".join((orjson.dumps(head), b"\n", *parts))


def unpack_record(record: bytes) -> Record:
    """Return the record of these bytes, with arrays and numbers of numpy."""
    line, _, content = record.partition(b"\n")
    head = cast("Record", orjson.loads(line))
    if "values" not in head:
        return head
    numbers = np.frombuffer(content, dtype=_NUMBER)
    shapes = {**head["values"], **({"": head["times"]} if "times" in head else {})}
    arrays: dict[str, FloatArray] = {}
    first = 0
    for name, shape in shapes.items():
        last = first + prod(shape)
        arrays[name] = numbers[first:last].reshape(shape)[()]
        first = last
    if "times" in head:
        head["times"] = arrays.pop("")
    return {**head, "values": arrays}
