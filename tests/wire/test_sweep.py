"""Axes of sweeps."""

import pytest

from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.sweep import SweepRequest

BASE = {
    "network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.0, "seed": 1},
    "task": "identity",
    "times": [1.0],
}


def sweep(*paths: str) -> SweepRequest:
    axes = [{"path": path, "values": [1, 2]} for path in paths]
    return read(SweepRequest, {"base": BASE, "axes": axes, "collect": ["final_loss"]})


@pytest.mark.parametrize(
    "paths", [("network", "network.seed"), ("network.seed", "network"), ("network.seed", "network.seed")]
)
def test_axes_that_overlap_are_refused(paths: tuple[str, str]) -> None:
    with pytest.raises(InvalidDocumentError, match=f"{paths[1]} overlaps {paths[0]}; axes must set different fields"):
        sweep(*paths)


def test_paths_with_a_common_prefix_do_not_overlap() -> None:
    assert sweep("network.seed", "network.seeds").shape == (2, 2)


def test_points_are_counted() -> None:
    assert sweep("network.seed", "network.lambda").n_points == 4
