"""Entity tags and conditional requests with `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1.2)."""

import re
from collections.abc import Iterable

from starlette.responses import Response

from lindyn_service.http.content_negotiation import header_list
from lindyn_service.translate.encode import Format

_TAG = re.compile('(?:W/)?("[^"]*")')

_RawHeaders = Iterable[tuple[bytes, bytes]]


def etag_of(key: str, form: Format) -> str:
    """Return the ETag of an answer; each format has its own, since its bytes differ (RFC 9110, section 8.8.1)."""
    return f'"{key}"' if form == "json" else f'"{key}-{form}"'


def lists_etag(headers: _RawHeaders, etag: str) -> bool:
    """Return whether `If-None-Match` lists this ETag, by weak comparison: the client has the answer."""
    return etag in _TAG.findall(header_list(headers, b"if-none-match"))


def matches_stored(headers: _RawHeaders, etag: str) -> bool:
    """Return whether `If-None-Match` matches the ETag of a stored resource, which `*` matches, too."""
    return header_list(headers, b"if-none-match").strip() == "*" or lists_etag(headers, etag)


def client_has(method: str, headers: _RawHeaders, etag: str) -> bool:
    """Return whether the client has the answer; `*` does not match one to POST, whose path stores no resource."""
    return lists_etag(headers, etag) if method == "POST" else matches_stored(headers, etag)


def not_modified(etag: str) -> Response:
    """Return status 304 for an answer whose format was negotiated."""
    return Response(status_code=304, headers={"ETag": etag, "Vary": "Accept"})
