"""Static assets: the files of the web pages, served from memory and compressed once."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from lindyn_service.http.conditional import matches_stored
from lindyn_service.http.content_negotiation import takes_gzip

FOLDER = Path(__file__).parents[1] / "web"

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Media types of the files that are served; licences and lists of hashes beside the libraries are not."""

_ASSETS, _PRELOADS = "{{assets}}", "{{preloads}}"


@dataclass(frozen=True)
class Asset:
    """Content that does not change while the service runs, with its media type."""

    content: bytes
    media_type: str

    @cached_property
    def etag(self) -> str:
        """The strong entity tag of the uncompressed content."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes:
        """The content compressed by gzip, made at the first request for it."""
        return gzip.compress(self.content, mtime=0)


@dataclass(frozen=True)
class Assets:
    """All assets of the web pages.

    Attributes:
        pages: by name.
        files: that pages load, by path.
        digest: of all files; the folder in their addresses.
    """

    pages: dict[str, Asset]
    files: dict[str, Asset]
    digest: str


def load(folder: Path = FOLDER) -> Assets:
    """Read all files of the web pages.

    The addresses of the files contain a digest of their contents, so browsers may cache them without expiry: changed
    contents have another address. Browsers revalidate the pages at each visit. Each page lists all modules for
    preloading, so that no module is discovered only when another one has been loaded.
    """
    files = {
        path.relative_to(folder).as_posix(): Asset(path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }
    content = hashlib.sha256()
    for name, asset in files.items():
        content.update(f"{name}\0{asset.etag}\0".encode())
    digest = content.hexdigest()[:16]
    preloads = "\n".join(f'<link rel="modulepreload" href="{_ASSETS}/{name}">' for name in files if _is_module(name))
    pages: dict[str, Asset] = {}
    for name in [name for name in files if name.endswith(".html")]:
        text = files.pop(name).content.decode().replace(_PRELOADS, preloads).replace(_ASSETS, f"explorer/{digest}")
        pages[name.removesuffix(".html")] = Asset(text.encode(), MEDIA_TYPES[".html"])
    return Assets(pages, files, digest)


def asset_response(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    """Return an asset, compressed if the client accepts gzip, or status 304 if the client has it."""
    headers = {"Vary": "Accept-Encoding", **headers, "ETag": asset.etag}
    if matches_stored(request.headers.raw, asset.etag):
        return Response(status_code=304, headers=headers)
    if takes_gzip(request.headers.raw):
        # the compressed bytes differ from those that the strong tag identifies
        headers |= {"Content-Encoding": "gzip", "ETag": f"W/{asset.etag}"}
        return Response(asset.compressed, headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


def _is_module(name: str) -> bool:
    return name.startswith("js/") or name.endswith(".esm.js")
