"""Points of a sweep, their keys and their table, without a service."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from support.analyses import BALANCED, SIGMA_YX, learn
from support.jobs import LIMITS
from support.records import as_json

from lindyn.wire.dimensions import dimensions
from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.errors import InvalidRequestError, TooLargeError
from lindyn_service.jobs.admission import admit
from lindyn_service.translate.point_records import pack_record
from lindyn_service.translate.sweep import PointKeys, compute_points, indices
from lindyn_service.translate.sweep_table import sweep_table
from lindyn_service.translate.table import read_table, result_as_json

MAX_BYTES = 2**30


def request(axes, collect=("final_loss",), base=None, **changes):
    base = base or {"network": BALANCED, "task": SIGMA_YX.tolist(), "times": [0.0, 1.0, 2.0]}
    named = [{"path": path, "values": values} for path, values in axes.items()]
    return read(SweepRequest, {"base": base, "axes": named, "collect": list(collect), **changes})


def point_keys(sweep, places):
    keys = PointKeys(sweep)
    return [keys.of(place) for place in places]


def points(sweep):
    return [as_json(record) for record in compute_points(sweep, list(indices(sweep)))]


def test_points_are_trajectories_with_the_values_of_the_axes():
    sweep = request({"network.dims.1": [2, 3], "task.0.0": [1.0, 2.0], "time_constant": [1.0, 3.0]}, ["loss"])
    for index, point in zip(indices(sweep), points(sweep), strict=True):
        task = SIGMA_YX.copy()
        task[0, 0] = (1.0, 2.0)[index[1]]
        alone = learn(
            network={**BALANCED, "dims": [3, (2, 3)[index[0]], 3]},
            task=task,
            times=[0.0, 1.0, 2.0],
            time_constant=(1.0, 3.0)[index[2]],
            quantities=["loss"],
        )
        assert np.allclose(point["values"]["loss"], alone["quantities"]["loss"], rtol=1e-14, atol=0)
    assert sweep.base["network"] == BALANCED  # untouched


def test_points_that_cannot_be_computed_have_a_problem():
    axes = {"network.dims": [[3, 3, 3], [3, 4, 3], [4, 3, 3]]}
    found = points(request(axes))
    assert "values" in found[0]
    assert found[1]["problem"]["code"] == "infeasible-balance"
    assert found[2]["problem"]["code"] == "invalid-request"
    assert "sigma_yx" in found[2]["problem"]["detail"]


def test_modes_that_a_network_does_not_have_are_nan_in_the_table():
    sweep = request({"network.dims.1": [1, 3], "network.lambda": [0.0]}, ["alignment"])
    found = points(sweep)
    assert found[0]["values"]["alignment.input"][0][1:] == [None, None]
    content, _ = read_table(sweep_table("job", sweep, [pack_record(point) for point in found], MAX_BYTES).pack())
    for side in ("input", "output"):
        values = content.values(f"alignment.{side}")
        assert np.array_equal(np.isnan(values[:, 0, 0]), [[False, True, True], [False, False, False]])
    written = json.loads(
        result_as_json(sweep_table("job", sweep, [pack_record(point) for point in found], MAX_BYTES).pack())
    )
    assert written["data"]["alignment.input"]["values"][0][0][0][1:] == [None, None]


def test_keys_depend_on_the_content_of_a_point():
    one = request({"network.lambda": [0.0, 1.0], "network.seed": [1, 2]})
    swapped = request({"network.seed": [2, 1, 3], "network.lambda": [1.0, 0.0]})
    keys = dict(zip(indices(one), point_keys(one, list(indices(one))), strict=True))
    others = dict(zip(indices(swapped), point_keys(swapped, list(indices(swapped))), strict=True))
    assert len(set(keys.values())) == 4
    for (i, j), key in keys.items():
        assert others[1 - j, 1 - i] == key
    for different in (
        request({"network.lambda": [0.0], "network.seed": [1]}, ["loss"]),
        request({"network.lambda": [0.0], "network.seed": [1]}, tolerance=1e-4),
        request({"network.lambda": [0.0], "network.scale": [1]}),
    ):
        assert point_keys(different, [(0, 0)])[0] not in keys.values()


def test_table_is_labelled_and_padded():
    sweep = request(
        {"network.dims": [[3, 2, 3], [3, 3, 3], [3, 4, 3]], "network.seed": [1, 2]}, ["loss", "balance", "weights"]
    )
    records = list(compute_points(sweep, indices(sweep)))
    archive = sweep_table("job", sweep, records, MAX_BYTES).pack()
    content, metadata = read_table(archive)
    assert content.data["loss"][0] == ("network.dims", "network.seed", "time")
    assert content.data["weights.0"][0] == ("network.dims", "network.seed", "time", "width_1", "width_0")
    assert content.values("weights.0").shape == (3, 2, 3, 3, 3)
    assert np.all(np.isnan(content.values("weights.0")[0, :, :, 2]))
    assert np.all(np.isnan(content.values("loss")[2]))
    assert np.array_equal(content.coordinates["time"], [0, 1, 2])
    assert content.coordinates["network.dims"] == [[3, 2, 3], [3, 3, 3], [3, 4, 3]]
    assert [problem["index"] for problem in metadata["problems"]] == [[2, 0], [2, 1]]
    document = json.loads(result_as_json(archive))
    assert document["data"]["loss"]["values"][2][0] == [None] * 3
    assert document["data"]["balance.lambda"]["dims"] == ["network.dims", "network.seed", "time"]
    assert np.load(io.BytesIO(archive))["data.loss"].shape == (3, 2, 3)


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_has_named_dimensions(name):
    values = learn(quantities=[name])["quantities"][name]
    parts = {name: values}
    if isinstance(values, dict):
        parts = {f"{name}.{key}": value for key, value in values.items()}
    elif name == "weights":
        parts = {f"weights.{i}": layer for i, layer in enumerate(values)}
    for path, array in parts.items():
        names = dimensions(path, np.ndim(array))
        assert len(names) == len(set(names)) == np.ndim(array)
        assert names[0] == "time"


def test_admission_draws_omitted_seeds():
    base = {
        "network": {"kind": "balanced", "dims": [3, 3, 3]},
        "task": {"kind": "regression", "samples": 9},
        "times": [1.0],
    }
    taken = admit(request({"network.lambda": [0.0, 1.0]}, base=base), LIMITS).request
    assert isinstance(taken.base["network"]["seed"], int)
    assert isinstance(taken.base["task"]["seed"], int)
    swept = admit(request({"network.lambda": [0.0], "task.seed": [1, 2]}, base=base), LIMITS).request
    assert "seed" not in swept.base["task"]
    given = admit(request({"network.lambda": [0.0]}, base={**base, "task": SIGMA_YX.tolist()}), LIMITS).request
    assert given.base["task"] == SIGMA_YX.tolist()


def test_admission_draws_the_seeds_of_axes():
    base = {"network": BALANCED, "task": {"kind": "regression", "samples": 9, "seed": 1}, "times": [1.0]}
    networks = [{name: value for name, value in BALANCED.items() if name != "seed"}, BALANCED]
    tasks = [{"kind": "spectrum", "singular_values": [1.0], "seed": None}, {"kind": "semantic"}, SIGMA_YX.tolist()]
    for axes in ({"network": networks}, {"task": [tasks[0], tasks[2]]}, {"network.seed": [None, 4]}):
        asked = request(axes, base=base)
        taken = admit(asked, LIMITS).request
        before, after = asked.axes[0].values, taken.axes[0].values
        drawn = after[0] if axes.keys() == {"network.seed"} else after[0]["seed"]
        assert isinstance(drawn, int)
        assert after[1] == before[1]
        assert all("values" in point for point in points(taken))
    eight = {**BALANCED, "dims": [8, 8, 8]}
    hierarchies = request({"task": [tasks[1], {**tasks[0]}]}, base={**base, "network": eight})
    assert admit(hierarchies, LIMITS).request.axes[0].values[0] == {"kind": "semantic"}


@pytest.mark.parametrize("array", [np.asfortranarray(SIGMA_YX), SIGMA_YX.astype(">f8"), SIGMA_YX.astype(np.longdouble)])
def test_arrays_of_every_layout(array):
    """As archives may have them, in the base request and among the values of an axis."""
    plain = request({"task": [SIGMA_YX, (2 * SIGMA_YX).tolist()], "network.seed": [1.0, 2.0]})
    found = request({"task": [array, (2 * SIGMA_YX).tolist()], "network.seed": np.array([1, 2]).astype(array.dtype)})
    assert point_keys(found, list(indices(found))) == point_keys(plain, list(indices(plain)))
    base = {"network": BALANCED, "task": array, "times": [1.0]}
    in_base = admit(request({"network.seed": [1]}, base=base), LIMITS).request
    expected = admit(request({"network.seed": [1]}, base={**base, "task": SIGMA_YX}), LIMITS).request
    assert point_keys(in_base, [(0,)]) == point_keys(expected, [(0,)])
    assert points(in_base) == points(expected)
    assert len(sweep_table("job", in_base, list(compute_points(in_base, [(0,)])), MAX_BYTES).pack())


def test_arrays_without_dimensions():
    values = [np.array(1, dtype=np.longdouble), 2.0]
    found = request({"time_constant": values}, base={"network": BALANCED, "scale": np.array(3)})
    assert (found.axes[0].values, found.base["scale"]) == ([1.0, 2.0], 3)


def test_other_arrays_in_sweeps_are_refused_with_their_path():
    for bad, text in ((SIGMA_YX.astype(complex), "complex"), (SIGMA_YX.astype(str), "text"), (SIGMA_YX > 0, "bool")):
        with pytest.raises(InvalidRequestError, match=text) as caught:
            admit(request({"task": [SIGMA_YX, bad]}), LIMITS)
        assert caught.value.errors[0][0].startswith("axes.0.values.1")
        with pytest.raises(InvalidRequestError, match=text) as caught:
            admit(request({"network.seed": [1]}, base={"network": BALANCED, "task": bad, "times": [1.0]}), LIMITS)
        assert caught.value.errors[0][0] == "base.task"


@pytest.mark.parametrize(
    ("axes", "path", "text"),
    [
        ({"network.depth": [1]}, "axes.0.path", "not a field"),
        ({"network.lambda.x": [1]}, "axes.0.path", "no parts"),
        ({"network.dims.3": [1]}, "axes.0.path", "list of 3"),
        ({"nothing.x": [1]}, "axes.0.path", "does not exist"),
        ({"network.seed": [1], "network.lambda": [1, "x"]}, "axes.1.values.1", "number"),
        ({"network.dims": [[3, 3, 3], [3, 0, 3]]}, "axes.0.values.1.1", "at least 1"),
    ],
)
def test_refusals_of_sweeps_have_paths(axes, path, text):
    with pytest.raises(InvalidRequestError) as caught:
        admit(request(axes), LIMITS)
    assert caught.value.errors[0][0] == path
    assert text in caught.value.errors[0][1]


def test_refusals_of_the_base_request_have_its_paths():
    with pytest.raises(InvalidRequestError) as caught:
        admit(request({"network.seed": [1]}, base={"network": BALANCED, "task": SIGMA_YX.tolist()}), LIMITS)
    assert caught.value.errors[0][0] == "base.times"


@pytest.mark.parametrize(
    ("axes", "collect", "changes", "text"),
    [
        ({"network.seed": list(range(1001))}, ["final_loss"], {}, "1001 points, the limit is 1000"),
        ({"network.seed": [1]}, ["output"], {"times": {"stop": 1, "num": 2000}}, "numbers, the limit is 12500"),
        ({"network.seed": list(range(500))}, ["loss"], {"times": {"stop": 1, "num": 300}}, "bytes, the limit is 1e+06"),
        (
            {"network.seed": [1]},
            ["final_loss"],
            {"method": {"kind": "descent", "learning_rate": 1e-6}},
            "floating-point operations, the limit is 1e+09",
        ),
    ],
)
def test_refusals_of_large_sweeps_name_the_limits(axes, collect, changes, text):
    base = {"network": BALANCED, "task": SIGMA_YX.tolist(), "times": [1.0], **changes}
    with pytest.raises(TooLargeError) as caught:
        admit(request(axes, collect, base), LIMITS)
    assert text in caught.value.detail


def test_admission_counts_times_that_differ_between_points():
    """Two numbers at each of 150 times of 500 points: the loss, and the time of the step or of the point."""
    base = {"network": BALANCED, "task": SIGMA_YX.tolist(), "times": {"stop": 1, "num": 150}}
    admit(request({"network.seed": list(range(500))}, ["loss"], base), LIMITS)
    descent = {**base, "method": {"kind": "descent", "learning_rate": 0.1}}
    for axes, given in (({"network.seed": list(range(500))}, descent), ({"times.stop": list(range(1, 501))}, base)):
        with pytest.raises(TooLargeError, match="bytes, the limit is"):
            admit(request(axes, ["loss"], given), LIMITS)


def test_admission_examines_a_bounded_number_of_values():
    many = {"network.seed": list(range(6000)), "network.lambda": [0.0]}
    limits = replace(LIMITS, points=10**5)
    assert admit(request(many), limits).request.shape == (6000, 1)


def test_work_is_that_of_the_most_expensive_point_times_the_points():
    """Twice as many points are twice the work; a descent of twice the time is twice the steps."""
    base = {"network": BALANCED, "task": SIGMA_YX.tolist()}
    descent = {**base, "method": {"kind": "descent", "learning_rate": 0.01}}
    limits = replace(LIMITS, points=1000, result_bytes=10**6, point_bytes=10**5, point_flops=1e12)
    one = admit(request({"times": [[0, 1000.0]]}, base=descent), limits).flops
    both = admit(request({"times": [[0, 1000.0], [0, 2000.0]]}, base=descent), limits).flops
    assert one > 1_000
    assert both / one == pytest.approx(4, rel=0.05)
