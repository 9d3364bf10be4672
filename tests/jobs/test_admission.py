"""Admission of sweeps, by their most expensive point and by the sum of all points, for arrays of any form."""

from dataclasses import replace

import numpy as np
import orjson
import pytest
from support.analyses import BALANCED, SIGMA_YX
from support.jobs import LIMITS

from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.errors import InvalidRequestError, TooLargeError
from lindyn_service.jobs import admission
from lindyn_service.jobs.admission import admit, admit_and_encode
from lindyn_service.jobs.points import is_refusal, sweep_points
from lindyn_service.translate.sweep import PointKeys, compute_points, indices

RANDOM = {"network": {"kind": "random", "dims": [2, 2, 2], "scheme": "he", "seed": 1}}
TASK = {"task": {"kind": "regression", "samples": 4, "seed": 1}, "times": [1.0]}
WIDE = replace(LIMITS, points=10**5, result_bytes=10**9, point_bytes=10**7, point_flops=1e10, job_flops=1e18)


def request(axes, collect=("final_loss",), base=None):
    named = [{"path": path, "values": values} for path, values in axes.items()]
    return read(SweepRequest, {"base": base or {**RANDOM, **TASK}, "axes": named, "collect": list(collect)})


def test_one_expensive_value_among_thousands_is_detected():
    values = [[2, 1, 2]] * 6000 + [[400, 400, 400]] * 20
    with pytest.raises(TooLargeError, match="floating-point operations, the limit is 1e"):
        admit(request({"network.dims": values}), WIDE)


def test_expensive_combinations_of_axes_are_detected():
    axes = {f"network.dims.{i}": [2, 200] for i in range(3)}
    for name, values in axes.items():
        admit(request({name: values}), replace(WIDE, point_flops=2e10))
    with pytest.raises(TooLargeError, match="a point is estimated to take"):
        admit(request(axes), replace(WIDE, point_flops=2e10))
    with pytest.raises(TooLargeError, match="the result is estimated to take"):
        admit(
            request({**axes, "times": [[1.0], list(range(1, 131))]}, ["output"]),
            replace(WIDE, point_flops=1e15, point_bytes=10**9, result_bytes=2**26),
        )


def test_the_smallest_value_may_be_the_most_expensive():
    base = {**RANDOM, **TASK, "method": {"kind": "descent", "learning_rate": 0.1}}
    axes = {"method.learning_rate": [0.1, 1e-4], "times": [[1.0], [10.0]]}
    for name, values in axes.items():
        admit(request({name: values}, base=base), replace(WIDE, point_flops=2e10))
    with pytest.raises(TooLargeError, match="a point is estimated to take"):
        admit(request(axes, base=base), replace(WIDE, point_flops=2e10))


def test_the_sum_of_all_points_is_limited():
    few, many = (request({"network.seed": list(range(n))}) for n in (10, 1000))
    limits = replace(WIDE, job_flops=100 * admit(few, WIDE).flops - 1)
    assert admit(few, limits).flops * 100 == pytest.approx(admit(many, WIDE).flops)
    with pytest.raises(TooLargeError, match="LINDYN_MAX_JOB_FLOPS"):
        admit(many, limits)


@pytest.mark.parametrize(("changes", "text"), [({"point_flops": 1e9}, "operations"), ({"point_bytes": 400}, "numbers")])
def test_each_point_is_checked_when_it_is_computed(changes, text):
    """Regardless of the estimate at admission; the other points are computed."""
    sweep = request({"network.dims": [[2, 1, 2], [60, 60, 60], [2, 2, 2]]}, ["singular_values"])
    places = list(indices(sweep))
    records = sweep_points(sweep, places, replace(WIDE, **changes), 1e9)
    free = list(compute_points(sweep, places))
    assert [is_refusal(record) for record in records] == [False, True, False]
    assert [records[0], records[2]] == [free[0], free[2]]
    assert text in orjson.loads(records[1])["problem"]["detail"]


def test_a_call_ends_after_the_point_that_exceeds_its_time():
    sweep = request({"network.seed": list(range(9))})
    places = list(indices(sweep))
    every = sweep_points(sweep, places, WIDE, 1e9)
    assert len(every) == 9
    assert sweep_points(sweep, places, WIDE, 0.0) == every[:1]


def test_admission_reads_a_bounded_amount(monkeypatch):
    """A large base is read once, and a large part that an axis leads into as often as the limit allows."""
    read_points = []
    original = admission.PointReader.read
    monkeypatch.setattr(
        admission.PointReader, "read", lambda self, index: (read_points.append(index), original(self, index))[1]
    )
    task = np.eye(3).tolist()
    axes = {"task.0.0": [float(i) for i in range(500)]}
    admit(request(axes, base={**RANDOM, **TASK, "network": BALANCED, "task": task}), WIDE)
    assert len(set(read_points)) == 500
    read_points.clear()
    monkeypatch.setattr(admission, "MAX_READ_VALUES", 300)
    admit(request(axes, base={**RANDOM, **TASK, "network": BALANCED, "task": task}), WIDE)
    assert len(read_points) < 30


def test_a_request_that_is_too_large_to_be_stored_is_refused():
    base = {"network": BALANCED, "task": SIGMA_YX, "times": np.linspace(0, 1, 1000).tolist()}
    asked = request({"network.seed": [1]}, base=base)
    size = len(admit_and_encode(asked, WIDE).document)
    with pytest.raises(TooLargeError, match=f"takes {size} bytes as JSON"):
        admit_and_encode(asked, replace(WIDE, request_bytes=size - 1))


ARRAYS = {
    "fortran": np.asfortranarray(SIGMA_YX),
    "big-endian": SIGMA_YX.astype(">f8"),
    "longdouble": SIGMA_YX.astype(np.longdouble),
    "half": SIGMA_YX.astype(np.float16),
    "single": SIGMA_YX.astype(np.float32),
    "integers": SIGMA_YX.astype(np.int8),
    "big-endian integers": SIGMA_YX.astype(">u2"),
    "view": np.repeat(SIGMA_YX, 2, axis=1)[:, ::2],
    "rows": [np.asfortranarray(row) for row in SIGMA_YX.astype(">f4")],
    "scalars": [[np.longdouble(value) for value in row] for row in SIGMA_YX],
    "0-d": [[np.array(value, dtype=np.longdouble) for value in row] for row in SIGMA_YX],
    "numbers beyond 64 bits": [[int(value) * 10**40 for value in row] for row in SIGMA_YX],
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays_of_all_forms_have_the_same_points(form):
    """In the base, as values of an axis, and after storing."""
    array = ARRAYS[form]
    plain = np.array([[float(value) for value in row] for row in array])
    for axes, task in (({"network.seed": [1]}, array), ({"task": [array]}, SIGMA_YX)):
        asked = request(axes, base={"network": BALANCED, "task": task, "times": [1.0]})
        stored = SweepRequest.model_validate(orjson.loads(admit_and_encode(asked, WIDE).document))
        kept = stored.base["task"] if task is array else stored.axes[0].values[0]
        assert np.array_equal(np.array(kept, dtype=float), plain)
        assert PointKeys(stored).of((0,) * len(axes)) == PointKeys(admit(asked, WIDE).request).of((0,) * len(axes))


@pytest.mark.parametrize(
    "odd",
    [
        np.ones((3, 3), dtype=complex),
        np.ones((3, 3), dtype="S3"),
        np.ones((3, 3), dtype="m8[s]"),
        np.array(1j),
        [1j],
        b"x",
        10**400,
        [10**400],
        {"a": [b"x"]},
    ],
    ids=repr,
)
def test_unused_parts_that_json_cannot_express_are_refused(odd):
    """The axis replaces the task of every point."""
    base = {"network": BALANCED, "task": odd, "times": [1.0]}
    with pytest.raises((InvalidRequestError, ValueError)) as caught:
        admit_and_encode(request({"task": [SIGMA_YX]}, base=base), WIDE)
    assert "300 digits" in str(caught.value) or "not a number, a text or a list" in str(caught.value)


@pytest.mark.parametrize("values", [[], np.array([]), np.zeros((0, 3)), np.array(1.0), np.array(1), True, "ab", None])
def test_axes_without_values_are_refused_with_their_path(values):
    with pytest.raises(ValueError, match=r"axes\.0\.values"):
        request({"network.seed": values})


def test_booleans_are_not_numbers():
    with pytest.raises(InvalidRequestError, match=r"axes\.0\.values\.0"):
        admit(request({"time_constant": np.array([True])}), WIDE)


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        ({"quantities": [["loss"], ["ntk"]]}, "got 'quantities', but all points have the quantities of collect"),
        ({"evaluate": [[TASK["task"]]]}, "only trajectories answer with"),
    ],
)
def test_axes_along_which_no_point_changes_are_refused(axis, text):
    with pytest.raises(InvalidRequestError) as refused:
        admit(request({"network.seed": [1, 2], **axis}), WIDE)
    ((path, detail),) = refused.value.errors
    assert path == "axes.1.path"
    assert text in detail


def test_two_spellings_of_an_index_cannot_set_one_field_twice():
    """One of the axes would be ignored without a word."""
    for path in ("network.dims.01", "network.dims.00001"):
        with pytest.raises(InvalidRequestError) as refused:
            admit(request({path: [2, 3], "network.dims.1": [1, 2]}), WIDE)
        assert refused.value.errors[0][0] == "axes.0.path"


def test_tasks_to_evaluate_are_refused():
    with pytest.raises(InvalidRequestError, match="only trajectories answer with") as refused:
        admit(request({"network.seed": [1, 2]}, base={**RANDOM, **TASK, "evaluate": [TASK["task"]]}), WIDE)
    assert refused.value.errors[0][0] == "base.evaluate"
