"""What is always the same bytes, such as the files of the pages: from memory, compressed once."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from lindyn_service.http.content_negotiation import listed, takes_gzip
from lindyn_service.http.security_headers import has_stored

FOLDER = Path(__file__).parents[1] / "web"

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served; licences and lists of hashes beside the libraries are not."""

_ASSETS, _PRELOADS = "{{assets}}", "{{preloads}}"


@dataclass(frozen=True)
class Asset:
    """A file with its media type and ETag."""

    content: bytes
    media_type: str

    @cached_property
    def etag(self) -> str:
        """Strong validator of the uncompressed content."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes:
        """The content by gzip, made at the first request for it."""
        return gzip.compress(self.content, mtime=0)


@dataclass(frozen=True)
class Assets:
    """All files: pages by their name, and what pages load by its path below a folder named by all contents."""

    pages: dict[str, Asset]
    files: dict[str, Asset]
    digest: str


def load(folder: Path = FOLDER) -> Assets:
    """Read all files of the pages.

    The digest names the folder of the files in addresses, so these can be cached for ever: other contents have another
    address. Pages are asked for anew each time; they name the folder, and all modules so that none waits for another.
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


def respond(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    """Send an asset, compressed where the client takes that, or say that the client has it."""
    headers = {"Vary": "Accept-Encoding", **headers, "ETag": asset.etag}
    if has_stored(listed(request.headers.raw, b"if-none-match"), asset.etag):
        return Response(status_code=304, headers=headers)
    if takes_gzip(request.headers.raw):
        # the same content in other bytes: a weak validator
        headers |= {"Content-Encoding": "gzip", "ETag": f"W/{asset.etag}"}
        return Response(asset.compressed, headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


def _is_module(name: str) -> bool:
    return name.startswith("js/") or name.endswith(".esm.js")
