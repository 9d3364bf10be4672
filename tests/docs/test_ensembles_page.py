"""What the page on ensembles tells a user to do, done; what it lists is complete."""

import json
import re

import numpy as np
import pytest
from support.pages import ROOT, blocks, page, run_python

PAGE = page("docs/ensembles.md")
SCHEMAS = json.loads((ROOT / "openapi/openapi.json").read_text())["components"]["schemas"]


@pytest.mark.live
def test_the_ensemble(tmp_path):
    said = run_python(blocks(PAGE, "python")[0], tmp_path)
    assert "<Ensemble 5-5-5, 200 networks" in said
    assert "(200,) (3, 200, 5)" in said
    assert (tmp_path / "ensemble.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "ensemble.nc").exists()
    with np.load(tmp_path / "ensemble.npz") as archive:
        assert archive["singular_values.quantiles"].shape == (3, 200, 5)


def test_every_field_is_described():
    described = set(re.findall(r"`(\w+)`", PAGE))
    for schema in ("EnsembleRequest", "EnsembleReply", "FailedReplicate"):
        assert set(SCHEMAS[schema]["properties"]) <= described, schema
