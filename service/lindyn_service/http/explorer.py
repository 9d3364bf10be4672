"""The pages for people: the explorer and the description of the API, which speak to the public API only."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lindyn_service.http.assets import Assets, respond

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
"""Nothing from elsewhere, nothing inline; pictures are drawn in the page (blob:), styles hold icons (data:)."""

_OF_PAGES = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_OF_FILES = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def explorer(request: Request) -> Response:
    """The explorer."""
    return _page(request, "index")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The routes with their messages, to read and to try."""
    return _page(request, "docs")


@router.get("/explorer/{digest}/{path:path}")
async def file(digest: str, path: str, request: Request) -> Response:
    """What the pages load. A file under another digest is of another version, and not here."""
    assets: Assets = request.app.state.assets
    asset = assets.files.get(path) if digest == assets.digest else None
    if asset is None:
        raise HTTPException(404)
    return respond(request, asset, _OF_FILES)


def _page(request: Request, name: str) -> Response:
    assets: Assets = request.app.state.assets
    return respond(request, assets.pages[name], _OF_PAGES)
