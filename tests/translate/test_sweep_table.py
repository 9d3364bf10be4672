"""Times and warnings in the table of a sweep."""

import json

import numpy as np
import pytest
from support.analyses import BALANCED, SIGMA_YX

from lindyn.wire.document import read
from lindyn.wire.job import TableReply
from lindyn.wire.sweep import SweepRequest
from lindyn_service.translate.point_records import pack_record
from lindyn_service.translate.sweep import compute_points, indices
from lindyn_service.translate.sweep_table import MAX_DETAILS, sweep_table
from lindyn_service.translate.table import read_table, result_as_json

BASE = {"network": BALANCED, "task": SIGMA_YX.tolist(), "times": [0.0, 0.26, 0.5]}
DESCENT = {"kind": "descent", "learning_rate": 0.1}
SADDLE = {"kind": "weights", "weights": [[[0.1, 0.0], [0.0, 0.0]], [[0.1, 0.0], [0.0, 0.0]]]}


def table_of(axes, collect=("loss",), **changes):
    named = [{"path": path, "values": values} for path, values in axes.items()]
    sweep = read(SweepRequest, {"base": {**BASE, **changes}, "axes": named, "collect": list(collect)})
    archive = sweep_table("job", sweep, list(compute_points(sweep, indices(sweep))), 2**30).pack()
    return archive, *read_table(archive)


def test_times_are_those_of_the_steps():
    _, content, _ = table_of({"network.seed": [1, 2]}, method=DESCENT)
    assert np.allclose(content.coordinates["time"], [0.0, 0.3, 0.5], rtol=1e-15, atol=0)
    assert "times" not in content.data


def test_requested_times_are_kept_without_rounding():
    _, content, _ = table_of({"network.seed": [1, 2]})
    assert np.array_equal(content.coordinates["time"], BASE["times"])


def test_times_have_the_axes_that_they_depend_on():
    axes = {"network.seed": [1, 2], "method.learning_rate": [0.1, 0.2, 0.05], "network.lambda": [0.0, 1.0]}
    archive, content, _ = table_of(axes, method=DESCENT)
    assert content.data["loss"][0] == (*axes, "time")
    assert content.data["times"][0] == ("method.learning_rate", "time")
    assert np.allclose(
        content.values("times"), [[0.0, 0.3, 0.5], [0.0, 0.2, 0.4], [0.0, 0.25, 0.5]], rtol=1e-15, atol=0
    )
    assert "time" not in content.coordinates
    assert json.loads(result_as_json(archive))["data"]["times"]["dims"] == ["method.learning_rate", "time"]


def test_points_with_exact_and_with_rounded_times():
    _, content, _ = table_of({"method.learning_rate": [0.01, 0.1]}, method=DESCENT)
    assert np.allclose(content.values("times"), [[0.0, 0.26, 0.5], [0.0, 0.3, 0.5]], rtol=1e-15, atol=0)


def test_a_failed_point_does_not_affect_the_times():
    axes = {"network.dims": [[3, 3, 3], [3, 4, 3]], "method.learning_rate": [0.1, 0.2]}
    _, content, metadata = table_of(axes, method=DESCENT)
    assert len(metadata["problems"]) == 2
    assert content.data["times"][0] == ("method.learning_rate", "time")
    _, content, _ = table_of({"network.dims": [[3, 4, 3], [3, 3, 3]]}, method=DESCENT)
    assert np.allclose(content.coordinates["time"], [0.0, 0.3, 0.5], rtol=1e-15, atol=0)


@pytest.mark.parametrize("method", ["auto", {"kind": "descent", "learning_rate": 0.5}])
def test_times_of_an_axis_of_times(method):
    """Lists of two lengths: after the end of the shorter one, there is NaN."""
    axes = {"times": [[0.0, 1.0], [0.5, 1.5, 2.5]], "network.seed": [1, 2]}
    _, content, _ = table_of(axes, method=method)
    dims, times = content.data["times"]
    assert dims == ("times", "time")
    assert np.array_equal(times, [[0.0, 1.0, np.nan], [0.5, 1.5, 2.5]], equal_nan=True)
    assert np.array_equal(np.isnan(content.values("loss")[:, 0]), np.isnan(times))


def test_scalars_have_no_times():
    _, content, _ = table_of({"method.learning_rate": [0.1, 0.2]}, ["final_loss"], method=DESCENT)
    assert set(content.data) == {"final_loss"}
    assert "time" not in content.coordinates


def codes(metadata):
    return {warned["code"]: warned["indices"] for warned in metadata["warnings"]}


@pytest.mark.parametrize("collect", ["loss", "final_loss", "convergence_time"])
def test_warnings_of_saddles_have_the_indices_of_their_points(collect):
    axes = {"network.weights.0.1.1": [0.0, 0.1, 0.0], "time_constant": [1.0, 2.0]}
    base = {"network": SADDLE, "task": {"kind": "correlation", "sigma_yx": [[2.0, 0.0], [0.0, 1.0]]}}
    archive, content, metadata = table_of(axes, [collect], **base, times=[0.0, 60.0])
    at_saddle = [[0, 0], [0, 1], [2, 0], [2, 1]]
    assert codes(metadata)["saddle"] == at_saddle
    (warned,) = [warned for warned in metadata["warnings"] if warned["code"] == "saddle"]
    assert "mode 2 (s = 1) has no overlap" in warned["detail"]
    assert warned["modes"] == [1]
    told = TableReply.model_validate_json(result_as_json(archive)).warnings
    assert {each.code: each.modes for each in told if each.modes} == {"saddle": [1]}
    assert not metadata["problems"]
    if collect == "convergence_time":
        assert np.array_equal(np.isnan(content.values(collect)), [[True, True], [False, False], [True, True]])


def test_all_kinds_of_warnings_are_kept():
    data = {"kind": "data", "inputs": np.eye(3).tolist(), "targets": np.eye(3).tolist(), "whiten": False}
    methods = [DESCENT, {**DESCENT, "activation": "relu"}, "auto"]
    _, _, metadata = table_of({"method": methods}, ["loss", "ntk_distance"])
    found = codes(metadata)
    assert found["rounded-times"] == [[0]]
    assert found["irreducible-loss-unknown"] == [[0], [2]]
    assert found["no-samples"] == [[0], [2]]
    _, _, metadata = table_of({"method": methods}, ["loss"], task=data)
    assert codes(metadata) == {"rounded-times": [[0], [1]], "nonlinear": [[1]]}
    _, _, metadata = table_of({"time_constant": [1.0]}, ["deviation"], method=DESCENT, times=[0.1, 1e5])
    assert codes(metadata)["vanishing-loss"] == [[0]]


def test_sweeps_without_warnings_have_an_empty_list():
    _, _, metadata = table_of({"network.seed": [1, 2]}, ["convergence_time"])
    assert metadata["warnings"] == []


def test_the_number_of_details_is_bounded_and_no_index_is_lost():
    """Each point has a detail of its own, as with measured numbers, and one that all points share."""
    n_points = 3 * MAX_DETAILS
    sweep = read(SweepRequest, {"base": BASE, "axes": [{"path": "network.seed", "values": list(range(n_points))}]})
    own = [{"code": "ill-conditioned", "detail": f"overlap {i}"} for i in range(n_points)]
    again = {"code": "ill-conditioned", "detail": "overlap -1"}
    shared = {"code": "no-samples", "detail": "none"}
    records = [pack_record({"values": {"final_loss": 1.0}, "warnings": [each, shared, again]}) for each in own]
    warnings = read_table(sweep_table("job", sweep, records, 2**30).pack())[1]["warnings"]
    assert len([warned for warned in warnings if warned["code"] == "ill-conditioned"]) == MAX_DETAILS + 1
    places = {tuple(place) for warned in warnings if warned["code"] == "ill-conditioned" for place in warned["indices"]}
    assert places == {(i,) for i in range(n_points)}
    assert "ask for the trajectory of a point" in warnings[MAX_DETAILS]["detail"]
    assert codes({"warnings": warnings})["no-samples"] == [[i] for i in range(n_points)]
    largest = max(len(warned["indices"]) for warned in warnings)
    assert largest == n_points  # no place twice in one line
