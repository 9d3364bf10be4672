"""The threat model names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", ROWS)
def test_each_threat_has_a_test(row):
    (path, name) = re.fullmatch(r"\| .+ \| .+ \| .+ \| `(tests/[\w/]+\.py)::(test_\w+)` \|", row).groups()
    module = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in module.body if isinstance(node, functions)}


def test_there_are_threats():
    assert len(ROWS) > 20
