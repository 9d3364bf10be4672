"""Routes of the web pages: the explorer and the API reference, which use only the public API."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lindyn_service.http.assets import asset_response
from lindyn_service.http.state import resources_of

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Only own resources and nothing inline; figures are saved from blob: addresses, styles contain data: icons."""

_PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_FILE_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def explorer(request: Request) -> Response:
    """Return the page of the explorer."""
    return _page(request, "index")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Return the page of the API reference."""
    return _page(request, "docs")


@router.get("/explorer/{digest}/{path:path}")
async def file(digest: str, path: str, request: Request) -> Response:
    """Return a file that the pages load, or 404 for a digest of another version."""
    assets = resources_of(request.scope).assets
    asset = assets.files.get(path) if digest == assets.digest else None
    if asset is None:
        raise HTTPException(404)
    return asset_response(request, asset, _FILE_HEADERS)


def _page(request: Request, name: str) -> Response:
    assets = resources_of(request.scope).assets
    return asset_response(request, assets.pages[name], _PAGE_HEADERS)
