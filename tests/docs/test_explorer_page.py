"""The page on the explorer names what the explorer has: controls by their labels, and keys."""

import re

from support.pages import ROOT, page

PAGE = page("docs/explorer.md")
WEB = ROOT / "service" / "lindyn_service" / "web"


def test_every_key_of_the_page_is_described():
    scripts = "".join(path.read_text() for path in (WEB / "js").glob("*.js"))
    keys = set(re.findall(r"\b(?:Arrow(?:Left|Right|Up|Down)|Page(?:Up|Down)|Escape|Enter)\b", scripts))
    shown = {"ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓", "PageUp": "Page Up"}
    keyboard = PAGE.split("## Keyboard")[1].split("## ")[0]
    for key in keys:
        assert shown.get(key, key.replace("PageDown", "Page Down")) in keyboard, key


def test_controls_have_the_names_that_the_page_uses():
    html = (WEB / "index.html").read_text()
    named = re.findall(r"\*\*([^*]+)\*\*", PAGE)
    assert {"Sweep λ", "Guided tour", "Code", "Copy link"} <= set(named)
    for name in set(named) - {"Network and task", "λ", "Time"}:
        assert name in html, name
