"""Requests of designs: bounds of any form, and what is wrong with them."""

import numpy as np
import pytest

from lindyn.wire.design import DesignRequest
from lindyn.wire.document import InvalidDocumentError, read

DESIGN = {
    "base": {"network": {"kind": "balanced", "dims": [2, 2, 2], "seed": 1}, "task": np.eye(2).tolist(), "times": [1.0]},
    "vary": {"path": "network.lambda", "bounds": [0.0, 2.0]},
    "target": {"scalar": "loss", "value": 0.5},
}


@pytest.mark.parametrize("bounds", [(0.0, 2.0), [0.0, 2.0], np.array([0.0, 2.0])])
def test_bounds_of_any_form(bounds: object) -> None:
    document = DESIGN | {"vary": {"path": "network.lambda", "bounds": bounds}}
    assert DesignRequest.model_validate(document).vary.bounds == [0.0, 2.0]


def test_bounds_ascend() -> None:
    with pytest.raises(InvalidDocumentError, match=r"got 2\.0 and 1\.0, bounds must ascend"):
        read(DesignRequest, DESIGN | {"vary": {"path": "network.lambda", "bounds": [2, 1]}})
