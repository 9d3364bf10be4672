"""Sweeps over wide networks and networks of one layer: each point is the single request."""

import numpy as np
import pytest
from support.documents import document
from support.records import as_json

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.translate.sweep import compute_points, indices, place
from lindyn_service.translate.trajectory import trajectory

WIDE = {"kind": "wide", "dims": [2, 40, 2], "scheme": "torch", "gain": 1.0, "start": "drawn", "seed": 0}
ONE = {"kind": "random", "dims": [2, 2], "scheme": "torch", "gain": 1.0, "seed": 0}
METHODS = ["auto", "flow", {"kind": "descent", "learning_rate": 0.05}]
COLLECT = ["final_loss", "convergence_time", "ntk_movement", "output", "weight_norms"]


def asking(network, **changes):
    return document(times="list", **changes) | {"network": network, "times": [0.0, 1.0, 2.0]}


def points(base, collect, axes=None):
    axes = axes or {"network.seed": [0, 1, 2, 3, 4], "network.gain": [0.5, 2.0]}
    named = [{"path": path, "values": values} for path, values in axes.items()]
    request = read(SweepRequest, {"base": base, "axes": named, "collect": collect, "tolerance": 0.5})
    records = compute_points(request, list(indices(request)))
    return [(place(request, i), as_json(r)) for i, r in zip(indices(request), records, strict=True)]


@pytest.mark.parametrize("method", METHODS, ids=["auto", "flow", "descent"])
@pytest.mark.parametrize("network", [WIDE, ONE], ids=["wide", "one layer"])
def test_points_are_the_answers_to_single_requests(network, method):
    for asked, record in points(asking(network, method=method), COLLECT):
        changed = asked | {"quantities": ["loss", "excess_loss", "ntk_movement", "output", "weight_norms"]}
        alone = trajectory(read(TrajectoryRequest, changed, conflicts), 64 * "0")["quantities"]
        values = record["values"]
        assert np.allclose(values["output"], alone["output"], rtol=1e-14, atol=0)
        assert np.allclose(values["weight_norms"], alone["weight_norms"], rtol=1e-14, atol=0)
        assert np.isclose(values["final_loss"], alone["loss"][-1], rtol=1e-13, atol=0)
        assert np.isclose(values["ntk_movement"], alone["ntk_movement"][-1], rtol=1e-12, atol=0)
        reached = values["convergence_time"]
        if reached is not None and reached <= 2.0 and method == "auto":
            again = changed | {"times": [reached], "quantities": ["excess_loss"]}
            loss = trajectory(read(TrajectoryRequest, again, conflicts), 64 * "0")["quantities"]["excess_loss"][0]
            assert loss == pytest.approx(0.5, rel=1e-9) or (reached == 0 and loss <= 0.5)


def test_points_with_undefined_quantities_have_a_problem():
    base = asking(WIDE)
    axes = {"network": [WIDE, ONE, {**ONE, "dims": [2, 3, 2]}]}
    found = [record for _, record in points(base, ["weights", "final_loss"], axes)]
    assert "kind 'random' for the weights of one draw" in found[0]["problem"]["detail"]
    assert np.shape(found[1]["values"]["weights.0"]) == (3, 2, 2)
    assert np.shape(found[2]["values"]["weights.1"]) == (3, 2, 3)
    found = [record for _, record in points(base, ["qqt"], axes)]
    assert np.shape(found[0]["values"]["qqt"]) == (3, 4, 4)
    assert "collect: got qqt, which is of two layers" in found[1]["problem"]["detail"]
