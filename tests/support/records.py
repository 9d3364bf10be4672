"""Records of points as JSON has them."""

from typing import Any

import orjson

from lindyn_service.translate.point_records import unpack_record


def as_json(record: bytes) -> dict[str, Any]:
    """Return a record with lists in place of arrays, and None in place of NaN."""
    return orjson.loads(orjson.dumps(unpack_record(record), option=orjson.OPT_SERIALIZE_NUMPY))
