"""The table of errata and the tests of errata name each other."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errata.md").read_text()
HEADER = ["where", "as printed", "what holds", "test"]


def tables():
    """Cells of all table lines of the page."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def rows():
    return [cells for cells in tables() if cells != HEADER and set("".join(cells)) != {"-"}]


def functions_of_errata():
    """Names of the test functions, read without running them."""
    files = sorted((ROOT / "tests" / "theory").glob("test_errata*.py"))
    nodes = [node for file in files for node in ast.parse(file.read_text()).body]
    return [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def test_every_row_is_complete():
    assert tables().count(HEADER) == 3
    assert len(rows()) >= 24
    for cells in rows():
        assert len(cells) == len(HEADER), cells
        assert all(cells), cells
        assert re.fullmatch(r"`test_\w+`", cells[-1]), cells


def test_every_row_has_a_test_and_every_test_a_row():
    named = Counter(cells[-1].strip("`") for cells in rows())
    assert named == Counter(functions_of_errata())


@pytest.mark.parametrize("page", ["errata.md", "theory.md", "jobs.md"])
def test_links_have_targets(page):
    text = (ROOT / "docs" / page).read_text()
    for path, _, anchor in (target.partition("#") for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text)):
        target = ROOT / "docs" / (path or page)
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}, anchor
