"""Points that are computed in blocks are those that are computed one by one."""

import numpy as np
import pytest
from support.records import as_json

from lindyn.wire.document import read
from lindyn.wire.sweep import SCALARS, SweepRequest
from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.errors import TooLargeError
from lindyn_service.methods.blocks import COVERED
from lindyn_service.translate import point_blocks, sweep
from lindyn_service.translate.sweep import compute_points, indices

SIGMA_YX = np.array([[1.2, -0.4, 0.3], [0.5, 0.8, -0.9]])
SCALE_FREE = ("balance",)  # of balanced weights its residual, and at lambda = 0 all of it, is rounding


def request(axes, collect, network=None, **base):
    network = {"kind": "balanced", "dims": [3, 2, 2], "lambda": 0.5, "scale": 0.6, "seed": 1, **(network or {})}
    base = {"network": network, "task": SIGMA_YX.tolist(), "times": {"stop": 6, "num": 9}, **base}
    named = [{"path": path, "values": values} for path, values in axes.items()]
    return read(SweepRequest, {"base": base, "axes": named, "collect": list(collect)})


def records(asked):
    return [as_json(record) for record in compute_points(asked, list(indices(asked)))]


def both_ways(asked, monkeypatch):
    """Records computed in blocks, those computed one by one, and how many of the first were computed one by one."""
    alone: list[tuple[int, ...]] = []
    original = sweep._Points.compute
    with monkeypatch.context() as patched:
        patched.setattr(sweep._Points, "compute", lambda self, index: (alone.append(index), original(self, index))[1])
        found = records(asked)
    with monkeypatch.context() as patched:
        patched.setattr(point_blocks, "COVERED", frozenset())
        return found, records(asked), len(alone)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        if "problem" in other:
            assert one == other
            continue
        assert one["warnings"] == other["warnings"]
        assert list(one["values"]) == list(other["values"])
        assert one.get("times") == other.get("times")
        for name, value in other["values"].items():
            values = np.array([one["values"][name], value], dtype=float)
            size = 1.0 if name.startswith(SCALE_FREE) else np.max(np.abs(np.nan_to_num(values)))
            np.testing.assert_allclose(*values, rtol=0, atol=3e-13 * size, err_msg=name)


@pytest.mark.parametrize(
    "network",
    [
        {"dims": [3, 2, 2]},
        {"dims": [3, 3, 2], "lambda": -0.5},
        {"dims": [3, 1, 2], "lambda": 0.0},
        {"dims": [3, 4, 2], "lambda": 0.0, "scale": 0.4},
        {"dims": [3, 2, 2], "scale": 1e-3},
    ],
)
@pytest.mark.parametrize("scalars", [True, False])
def test_all_collected_values_are_the_same(network, scalars, monkeypatch):
    collect = set(SCALARS if scalars else QUANTITIES) & COVERED
    found, expected, alone = both_ways(request({"network.seed": list(range(30))}, collect, network), monkeypatch)
    assert_equal(found, expected)
    assert alone <= 5


def test_networks_of_very_different_sizes(monkeypatch):
    """A block has one network of each scale and balance: none is read with the kernel of another."""
    axes = {"network.scale": [4e5, 5e2, 1.0, 4e-4], "network.lambda": [0.1, 100.0], "network.seed": [0, 1, 2]}
    collect = ["kernel_distance", "ntk_movement", "final_loss", "task_specificity_output"]
    network, times = {"dims": [2, 5, 7]}, {"stop": 40, "num": 4}
    task = np.random.default_rng(0).standard_normal((7, 2)).tolist()
    found, expected, alone = both_ways(request(axes, collect, network, task=task, times=times), monkeypatch)
    assert_equal(found, expected)
    assert alone <= 12


@pytest.mark.parametrize("sign", [1, -1])
def test_lazy_networks_whose_kernels_hardly_move(sign, monkeypatch):
    axes = {"network.lambda": [sign * lam for lam in (20.0, 300.0, 1e5)], "network.seed": list(range(6))}
    task = np.random.default_rng(1).standard_normal((3, 3)).tolist()
    collect = ["ntk_movement", "kernel_distance", "convergence_time"]
    asked = request(axes, collect, {"dims": [3, 3, 3], "scale": 0.3}, task=task)
    found, expected, alone = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
    assert all(record["values"]["ntk_movement"] < 0.5 for record in expected)
    assert expected[-1]["values"]["ntk_movement"] < 1e-4
    assert alone <= 1


@pytest.mark.parametrize("dims", [[3, 3, 3], [2, 4, 2]])
@pytest.mark.parametrize("collect", [["loss", "output"], ["singular_values", "alignment", "qqt"], ["convergence_time"]])
def test_saddles_with_their_warnings(dims, collect, monkeypatch):
    """Half of the networks of lambda = 0 and equal widths miss the weakest mode."""
    axes = {"network.seed": list(range(12)), "network.scale": [0.05, 0.6]}
    task = np.random.default_rng(1).standard_normal((dims[2], dims[0])).tolist()
    asked = request(axes, [*collect, "final_loss"], {"dims": dims, "lambda": 0.0}, task=task)
    found, expected, alone = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
    saddles = [any(each["code"] == "saddle" for each in record["warnings"]) for record in expected]
    assert 4 <= sum(saddles) <= 20
    assert alone <= 3


def test_a_mode_at_rounding_level_is_not_a_saddle(monkeypatch):
    task = (np.outer([1.0, 2.0, 0.5], [0.3, 0.1, 0.7]) + np.diag([0.0, 1.0, 0.0])).tolist()
    asked = request({"network.seed": list(range(8))}, ["loss"], {"dims": [3, 3, 3], "lambda": 0.0}, task=task)
    found, expected, _ = both_ways(asked, monkeypatch)
    assert_equal(found, expected)


@pytest.mark.parametrize("task", [{"kind": "semantic", "levels": 2}, {"kind": "regression", "samples": 3, "seed": 0}])
def test_tasks_of_data_and_isotropic_inputs(task, monkeypatch):
    asked = request(
        {"network.seed": list(range(12)), "time_constant": [1.0, 2.5]},
        ["loss", "loss_rate", "output", "convergence_time", "ntk_movement"],
        {"dims": [4, 4, 4], "lambda": 1.0},
        task=task,
    )
    found, expected, alone = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
    assert alone <= 3


def test_points_outside_blocks_are_computed_one_by_one(monkeypatch):
    axes = {
        "network.lambda": [0.5, -0.3, 0.0, 0, "a", 1e80, 7.0],
        "network.seed": [*range(6), -1, 2.5],
        "network.dims": [[3, 3, 2], [3, 2, 2], [3, 2, 5]],
    }
    found, expected, alone = both_ways(request(axes, ["final_loss"]), monkeypatch)
    assert_equal(found, expected)
    assert alone < len(found)


@pytest.mark.parametrize(
    ("path", "network", "base"),
    [
        ("network.scale", {"aligned": True}, {}),
        ("network.scale", {}, {"method": "flow"}),
        ("network.scale", {}, {"task": {"sigma_yx": SIGMA_YX.tolist(), "sigma_xx": np.diag([1.0, 2, 3]).tolist()}}),
        ("network.gain", {"kind": "random", "scheme": "scaled"}, {}),
        ("network.scale", {}, {"task": "nonsense"}),
    ],
)
def test_requests_that_blocks_do_not_cover(path, network, base, monkeypatch):
    if "sigma_yx" in base.get("task", {}):
        base["task"]["kind"] = "correlation"
    asked = request({path: [0.1, 0.2, 0.3, 0.4, 0.5]}, ["final_loss"], network, **base)
    if network.get("kind") == "random":
        for name in ("lambda", "scale"):
            del asked.base["network"][name]
    found, expected, alone = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
    assert alone == len(found)


def test_times_that_differ_from_the_base_request_are_kept(monkeypatch):
    asked = request({"times.stop": [1.0, 2.0], "network.seed": list(range(8))}, ["loss", "final_loss"])
    found, expected, alone = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
    assert alone <= 4
    assert found[-1]["times"][-1] == 2.0


@pytest.mark.parametrize("n_points", [4, 9])
def test_the_first_points_of_a_call_are_in_a_block(n_points, monkeypatch):
    asked = request({"network.seed": list(range(n_points))}, ["final_loss"])
    found, expected, alone = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
    assert alone == 0


def test_points_beyond_the_limits_have_a_problem_each():
    asked = request({"network.seed": list(range(8))}, ["final_loss"])

    def refuse(_point):
        raise TooLargeError("no")

    found = [as_json(record) for record in compute_points(asked, list(indices(asked)), refuse)]
    assert [record["problem"]["code"] for record in found] == [TooLargeError.code] * 8


def test_overflowing_losses_are_refused_for_each_point(monkeypatch):
    asked = request(
        {"network.seed": list(range(8))}, ["loss"], {"scale": 1e60}, task=(SIGMA_YX * 1e60).tolist(), times=[0.0, 1e-70]
    )
    found, expected, _ = both_ways(asked, monkeypatch)
    assert_equal(found, expected)
