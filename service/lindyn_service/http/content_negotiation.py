"""What a client takes: formats and encodings with their weights (RFC 9110, section 12.5)."""

import re
from collections.abc import Iterable
from functools import lru_cache

from lindyn.wire import npz
from lindyn_service.translate.body import JSON
from lindyn_service.translate.encode import Format

_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_MOST_KNOWN = 64

_RawHeaders = Iterable[tuple[bytes, bytes]]


def wanted_format(headers: _RawHeaders) -> Format:
    """The format of the answer: npz where the client names it with a weight above 0, and none above that for JSON.

    Wildcards mean JSON, and so does whatever cannot be had: nobody is refused for what he accepts.
    """
    return _format(listed(headers, b"accept"))


def takes_gzip(headers: _RawHeaders) -> bool:
    """Whether the answer may be compressed."""
    return _gzip(listed(headers, b"accept-encoding"))


def listed(headers: _RawHeaders, name: bytes) -> str:
    """A header whose lines are one list (RFC 9110, section 5.3)."""
    return b",".join([value for other, value in headers if other == name]).decode("latin-1")


@lru_cache(_MOST_KNOWN)
def _format(accept: str) -> Format:
    weights = _weights(accept)
    for_npz = weights.get(npz.MEDIA_TYPE, 0.0)
    for_json = weights.get(JSON, weights.get("application/*", weights.get("*/*", 0.0)))
    return "npz" if for_npz > 0 and for_npz >= for_json else "json"


@lru_cache(_MOST_KNOWN)
def _gzip(accept: str) -> bool:
    weights = _weights(accept)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weights(accepted: str) -> dict[str, float]:
    """What is listed, in lower case; an item whose weight is none counts as not listed."""
    weights: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weight = "1"
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = value.strip()
        if _WEIGHT.fullmatch(weight):
            weights[name] = max(float(weight), weights.get(name, 0.0))
    return weights
