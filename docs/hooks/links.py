"""Checks the built site without a network: every link inside leads somewhere, and nothing is loaded from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger

log = get_plugin_logger("links")

_NOT_FOUND = "404.html"  # its links are absolute, since it is shown at any address


class _Page(HTMLParser):
    """Links, loaded files and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what leads elsewhere, and what can be led to."""
        found = {name: value for name, value in attrs if value}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if "href" in found and (tag == "a" or found.get("rel") == "canonical"):
            self.links.add(found["href"])
        elif tag in ("script", "img", "link", "source", "iframe"):
            self.loaded |= {found[name] for name in ("src", "href") if name in found}


def on_post_build(config: MkDocsConfig) -> None:
    """Warn of everything that is wrong; a strict build fails then."""
    root = Path(config.site_dir)
    pages = {path: _Page(path.read_text()) for path in root.rglob("*.html") if path.name != _NOT_FOUND}
    for path, page in pages.items():
        where = path.relative_to(root)
        for link in sorted(page.loaded):
            if urlsplit(link).scheme not in ("", "data") or link.startswith("//"):
                log.warning("%s loads %s from elsewhere", where, link)
        for link in sorted(page.links | page.loaded):
            if not urlsplit(link).scheme and not _leads_somewhere(path, link, pages):
                log.warning("%s: %s leads nowhere", where, link)


def _leads_somewhere(path: Path, link: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].anchors
