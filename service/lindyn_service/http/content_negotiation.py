"""Content negotiation: formats and encodings that a client accepts, with their weights (RFC 9110, section 12.5)."""

import re
from collections.abc import Iterable
from functools import lru_cache

from lindyn.wire import npz
from lindyn_service.translate.body import JSON
from lindyn_service.translate.encode import Format

_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_MAX_PARSED_HEADERS = 64

_RawHeaders = Iterable[tuple[bytes, bytes]]


def wanted_format(headers: _RawHeaders) -> Format:
    """Return the format of the answer: npz if the client names it with a positive weight of at least that of JSON.

    Wildcards select JSON unless the client excludes it, and so do media types that the service does not have: no
    request is refused for its Accept.
    """
    return _format(header_list(headers, b"accept"))


def takes_gzip(headers: _RawHeaders) -> bool:
    """Return whether the client accepts an answer that is compressed by gzip."""
    return _gzip(header_list(headers, b"accept-encoding"))


def header_list(headers: _RawHeaders, name: bytes) -> str:
    """Return the value of a list header, whose lines are joined by commas (RFC 9110, section 5.3)."""
    return b",".join([value for header, value in headers if header == name]).decode("latin-1")


@lru_cache(_MAX_PARSED_HEADERS)
def _format(accept: str) -> Format:
    weights = _weights(accept)
    for_any = weights.get("application/*", weights.get("*/*", 0.0))
    for_json = weights.get(JSON, for_any)
    for_npz = weights.get(npz.MEDIA_TYPE, for_any if weights.get(JSON) == 0.0 else 0.0)
    return "npz" if for_npz > 0 and for_npz >= for_json else "json"


@lru_cache(_MAX_PARSED_HEADERS)
def _gzip(accept: str) -> bool:
    weights = _weights(accept)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weights(accepted: str) -> dict[str, float]:
    """Return the weights of the listed items, in lower case; an item with an invalid weight is ignored."""
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
