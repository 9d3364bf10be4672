"""What the page on fits tells a user to do, done; what it lists is complete."""

import json
import re

import pytest
from support.pages import ROOT, blocks, page, run_python

PAGE = page("docs/fits.md")
SCHEMAS = json.loads((ROOT / "openapi/openapi.json").read_text())["components"]["schemas"]


@pytest.mark.live
def test_the_regime_of_a_curve(tmp_path):
    said = run_python(blocks(PAGE, "python")[0], tmp_path)
    assert "<Fit of 4 models" in said
    assert "the sign of network.lambda" in said
    low, high = map(float, re.search(r"lambda is between (\S+) (\S+)", said).groups())
    assert low < 0.05 < high
    assert "best of the three: rich" in said
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.live
def test_the_recovery_study(tmp_path):
    said = run_python(blocks(PAGE, "python")[1], tmp_path)
    rich, lazy = said.split("lambda = 30.0")
    assert "lambda = 0.3: errors of its logarithm" in rich
    assert "only the ratio" not in rich
    assert "they determine only the ratio" in lazy


def test_every_field_is_described():
    described = set(re.findall(r"`(\w+)`", PAGE))
    for schema in ("FitRequest", "Observation", "FreeParameter", "ComparedModel", "FittedModelReply"):
        assert set(SCHEMAS[schema]["properties"]) <= described, schema
