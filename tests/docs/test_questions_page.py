"""What the page on questions tells a user to do, done; what it lists is complete."""

import json
import re
from typing import get_args

import pytest
from support.pages import ROOT, blocks, page, run_python

from lindyn.wire.design import DesignScalar

PAGE = page("docs/questions.md")
SCHEMAS = json.loads((ROOT / "openapi/openapi.json").read_text())["components"]["schemas"]


@pytest.mark.live
def test_the_stories(tmp_path):
    """The network overfits, two designs are solved, a learning rate is found, and ReLU is farther away than linear."""
    said = run_python("".join(blocks(PAGE, "python")), tmp_path)
    assert "overfits from t = " in said
    assert re.search(r"learning rate [\d.]+, \d+ steps; [\d.]+ is the largest that trains", said)
    linear, relu = re.findall(r"training with learning rate \S+ is at most (\S+) % ± \S+ % of the initial loss", said)
    assert float(linear) < 2.0 < float(relu)
    assert len(re.search(r"\[([\d.e ,-]+)\]\n", said)[1].split(",")) >= 1
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_every_field_is_described():
    described = set(re.findall(r"`(\w+)`", PAGE))
    for schema in ("DesignRequest", "DesignReply", "Vary", "Target", "Solution"):
        assert set(SCHEMAS[schema]["properties"]) <= described, schema
    scalars = {name for literal in get_args(DesignScalar) for name in (get_args(literal) or (literal,))}
    assert scalars <= described
