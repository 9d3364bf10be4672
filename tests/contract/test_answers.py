"""Contents of an answer: quantities and their shapes, diagnostics, reasons and warnings."""

import re
from importlib.metadata import version

import mpmath
import numpy as np
import pytest
from support.documents import EYE, document
from support.flow import balanced_layers
from support.service import ask, post, problem

pytestmark = pytest.mark.live

SHAPES = {  # of dims 3, 2, 4 and 5 samples, after the time axis
    "loss": (),
    "excess_loss": (),
    "loss_rate": (),
    "output": (4, 3),
    "input_representation": (3, 3),
    "output_representation": (4, 4),
    "qqt": (7, 7),
    "weights": [(2, 3), (4, 2)],
    "singular_values": (3,),
    "mode_strengths": (3,),
    "alignment": {"input": (3,), "output": (3,)},
    "ntk": (20, 20),
    "ntk_distance": (),
    "ntk_norm": (),
    "ntk_movement": (),
    "rsm_input": (5, 5),
    "rsm_output": (5, 5),
    "task_specificity": {"input": (), "output": ()},
    "balance": {"lambda": (), "residual": ()},
    "weight_norms": (2,),
    "effective_rank": (),
    "sharpness": (),
}

REQUEST = {
    "network": {"kind": "balanced", "dims": [3, 2, 4], "lambda": 0.5, "seed": 1},
    "task": {"kind": "regression", "samples": 5, "seed": 2},
    "times": [0.0, 0.5, 1.0, 2.0, 4.0],
}


def parts(value):
    """Arrays of a quantity."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else list(inner)


def shapes(value):
    if isinstance(value, dict):
        return {name: part.shape[1:] for name, part in value.items()}
    return [part.shape[1:] for part in value] if isinstance(value, list) else value.shape[1:]


@pytest.mark.parametrize("method", ["exact", "flow", {"kind": "descent", "learning_rate": 0.01}], ids=str)
@pytest.mark.parametrize("accept", ["json", "npz"])
def test_each_quantity_has_its_shape(service, method, accept):
    for name, shape in SHAPES.items():
        answer = ask(service, REQUEST | {"quantities": [name], "method": method}, accept=accept)
        assert list(answer["quantities"]) == [name]
        assert shapes(answer["quantities"][name]) == shape
        for array in parts(answer["quantities"][name]):
            assert len(array) == 5
            # two hidden units have nothing at the rank of the third mode
            assert np.all(np.isfinite(array[:, :2] if name == "alignment" else array))


def test_the_service_lists_quantities_methods_and_networks(service):
    about = service.get("/v1/about").json()
    assert set(about["quantities"]) == set(SHAPES)
    assert about["methods"] == ["auto", "exact", "flow", "descent"]
    assert about["version"] == version("lindyn")
    assert about["limits"]["max_times"] == 1_000_000
    assert about["limits"]["max_magnitude"] == 1e70


@pytest.mark.parametrize("name", ["accuracy", "LOSS", "loss ", ""])
def test_unknown_quantities(service, name):
    body = problem(post(service, REQUEST | {"quantities": ["loss", name]}), 422, "invalid-request")
    assert body["errors"][0]["path"] == "quantities.1"
    for known in SHAPES:
        assert f"'{known}'" in body["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [("EXACT", "method"), ("euler", "method"), ({"kind": "euler"}, "method.kind")], ids=str
)
def test_unknown_methods(service, method, path):
    body = problem(post(service, REQUEST | {"method": method}), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
    assert "'auto', 'exact', 'flow', 'descent'" in body["errors"][0]["detail"]


def test_unknown_networks(service):
    network = {"kind": "deep", "dims": [3, 2, 4]}
    body = problem(post(service, REQUEST | {"network": network}), 422, "invalid-request")
    detail = "got 'deep', allowed are 'weights', 'balanced', 'random', 'wide'"
    assert body["errors"] == [{"path": "network.kind", "detail": detail}]


def test_default_quantities(service):
    assert list(ask(service, REQUEST)["quantities"]) == ["loss", "output"]


@pytest.mark.parametrize("method", ["auto", "exact"])
def test_answers_have_the_documented_fields(service, method):
    answer = ask(service, REQUEST | {"time_constant": 2.5, "method": method})
    fields = ["key", "method", "reason", "lambda", "dims", "seed", "task_seed", "time_constant", "times", "quantities"]
    assert set(answer) == {*fields, "regime", "diagnostics", "warnings", "version"}
    assert answer["method"] == "exact"
    assert (answer["lambda"], answer["dims"], answer["time_constant"]) == (0.5, [3, 2, 4], 2.5)
    assert (answer["seed"], answer["task_seed"]) == (1, 2)
    assert np.array_equal(answer["times"], REQUEST["times"])
    assert answer["version"] == version("lindyn")
    assert re.fullmatch(r"two layers, white inputs, balanced to \S+ \(tolerance 1e-13\)", answer["reason"])
    assert answer["warnings"] == []


def test_diagnostics(service):
    rng = np.random.default_rng(2)
    w1, w2 = balanced_layers(4, 3, 5, 0.7, rng)
    u, v = np.linalg.qr(rng.standard_normal((5, 5)))[0], np.linalg.qr(rng.standard_normal((4, 4)))[0]
    values = [3.0, 2.0, 0.5, 0.0]
    sigma_yx = (u[:, :4] * values) @ v.T
    request = {
        "network": {"kind": "weights", "weights": [w1.tolist(), w2.tolist()]},
        "task": {"kind": "correlation", "sigma_yx": sigma_yx.tolist(), "sigma_yy_trace": 20.0},
        "times": [0.0],
    }
    answer = ask(service, request)
    found = answer["diagnostics"]
    assert np.isclose(answer["lambda"], 0.7, rtol=1e-13, atol=0)
    b = w2.T @ w2 - w1 @ w1.T
    assert found["balance_residual"] <= np.linalg.norm(b - 0.7 * np.eye(3)) + 1e-15
    relative = found["balance_residual"] / (np.sum(w1**2) + np.sum(w2**2))
    assert np.isclose(found["relative_balance_residual"], relative, rtol=1e-6, atol=0)
    assert found["anisotropy"] == 0
    assert (found["task_rank"], found["reached_rank"]) == (3, 3)
    assert np.allclose(found["task_singular_values"], values, atol=1e-14)
    assert np.allclose(found["target"]["singular_values"], values, atol=1e-14)
    assert np.isclose(found["irreducible_loss"], 0.5 * (20 - np.sum(sigma_yx**2)))
    assert found["conditioning"]["smallest_overlap_in_roundings"] > 1e10
    assert found["conditioning"]["rounding_time"] is None


@pytest.mark.parametrize("method", ["exact", "flow", {"kind": "descent", "learning_rate": 0.01}])
def test_singular_values_of_the_best_map(service, method):
    """For coloured inputs, those of the network tend to those of least squares, and not of sigma_yx."""
    rng = np.random.default_rng(4)
    q = np.linalg.qr(rng.standard_normal((12, 4)))[0]
    inputs = 3 * q if method == "exact" else rng.standard_normal((12, 4))
    targets = rng.standard_normal((12, 3))
    request = {
        "network": {"kind": "balanced", "dims": [4, 4, 3], "lambda": 0, "seed": 1},
        "task": {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": False},
        "times": [0.0, 0.1],
        "method": method,
    }
    found = ask(service, request)["diagnostics"]["target"]["singular_values"]
    best = np.linalg.lstsq(inputs, targets)[0]
    assert np.allclose(found, np.linalg.svd(best, compute_uv=False), atol=1e-12)


def test_a_bottleneck_learns_as_many_modes_as_its_width(service):
    task = {"kind": "spectrum", "singular_values": [3.0, 2.0, 1.0], "seed": 1}
    network = {"kind": "balanced", "dims": [3, 2, 3], "lambda": 0.5, "seed": 1}
    answer = ask(service, {"network": network, "task": task, "times": [0.0], "quantities": ["output"]})
    assert (answer["diagnostics"]["task_rank"], answer["diagnostics"]["reached_rank"]) == (3, 2)
    assert answer["warnings"] == []  # nothing else could be learned


def rich(sign):
    """Weights of balance 0 and width two whose determinants have a product of this sign, for a task with det > 0."""
    w1 = np.array([[0.3, 0.1], [-0.2, 0.4]])
    u, s, vt = np.linalg.svd(w1)
    w2 = np.diag([1.0, sign]) @ (vt.T * s) @ u.T
    assert np.allclose(w2.T @ w2, w1 @ w1.T)
    assert np.sign(np.linalg.det(w1) * np.linalg.det(w2)) == sign
    return {"kind": "weights", "weights": [w1.tolist(), w2.tolist()]}


@pytest.mark.parametrize("sign", [1, -1])
def test_saddle(service, sign):
    """Equal widths, lambda = 0 and det(W2 W1) < 0: the weakest mode is never learned (ERRATA, last row but one)."""
    task = {"kind": "correlation", "sigma_yx": [[2.0, 0.0], [0.0, 0.1625]], "sigma_yy_trace": 5.0}
    request = {"network": rich(sign), "task": task, "times": [0.0, 200.0], "quantities": ["mode_strengths"]}
    answer = ask(service, request)
    last = answer["quantities"]["mode_strengths"][-1]
    if sign > 0:
        assert answer["warnings"] == []
        assert answer["diagnostics"]["reached_rank"] == 2
        assert np.allclose(last, [2.0, 0.1625])
        return
    text = "mode 2 (s = 0.163) has no overlap with the initial weights and is never learned"
    assert answer["warnings"] == [{"code": "saddle", "detail": text, "modes": [1]}]
    assert answer["diagnostics"]["reached_rank"] == 1
    assert answer["diagnostics"]["conditioning"]["rounding_time"] > 0
    assert np.allclose(last, [2.0, 0.0], atol=1e-9)


def test_a_mode_without_overlap_is_never_learned(service):
    network = {"kind": "weights", "weights": [[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]]}
    task = np.diag([3.0, 2.0, 1.0]).tolist()
    answer = ask(service, {"network": network, "task": task, "times": [0.0, 50.0], "quantities": ["output"]})
    text = "mode 2 (s = 2) has no overlap with the initial weights and is never learned"
    assert answer["warnings"] == [{"code": "saddle", "detail": text, "modes": [1]}]
    assert np.allclose(answer["quantities"]["output"][-1], np.diag([3.0, 0.0, 1.0]), atol=1e-12)


@pytest.mark.parametrize("quantities", [["loss", "excess_loss"], ["excess_loss"]], ids=str)
@pytest.mark.parametrize(
    ("task", "unknown"),
    [
        (EYE, True),
        ({"kind": "correlation", "sigma_yx": EYE}, True),
        ({"kind": "correlation", "sigma_yx": EYE, "sigma_yy_trace": 2.0}, False),
        ({"kind": "data", "inputs": EYE, "targets": EYE, "whiten": False}, False),
        ({"kind": "spectrum", "singular_values": [1.0, 0.5], "seed": 1}, True),
        ({"kind": "regression", "samples": 5, "seed": 1}, False),
        ({"kind": "semantic", "levels": 1}, False),
    ],
    ids=str,
)
def test_the_irreducible_loss_may_be_unknown(service, task, unknown, quantities):
    """The answer has a warning if the loss is requested."""
    answer = ask(service, document() | {"task": task, "quantities": quantities})
    assert (answer["diagnostics"]["irreducible_loss"] is None) == unknown
    codes = [warning["code"] for warning in answer["warnings"]]
    if not unknown or "loss" not in quantities:
        assert codes == []
        return
    assert codes == ["irreducible-loss-unknown"]
    assert "sigma_yy_trace" in answer["warnings"][0]["detail"]
    assert np.array_equal(answer["quantities"]["loss"], answer["quantities"]["excess_loss"])


def with_overlap(*columns):
    """Weights of balance 0, w2 = w1^T, whose overlap with a mode of a diagonal task is sqrt(2) times a column of w1."""
    w1 = np.array(columns).T
    return {"kind": "weights", "weights": [w1.tolist(), w1.T.tolist()]}


def rich_output(first, s, time):
    """W at a time, from W1 and W2 = W1^T and the task diag(s): tau d/dt W^-1 = 2 - S W^-1 - W^-1 S."""
    with mpmath.workdps(80):
        w1 = mpmath.matrix(first)
        inverse = (w1.T * w1) ** -1
        decay = mpmath.diag([mpmath.exp(-x * time) for x in s])
        learned = mpmath.diag([-mpmath.expm1(-2 * x * time) / x for x in s])
        return np.array(((decay * inverse * decay + learned) ** -1).tolist(), dtype=float)


def test_tiny_overlaps_of_given_weights_count(service):
    """The component of the second mode along no other is far below the rounding errors of its row, but given."""
    tiny, s, times = 1e-13, np.array([2.0, 1.0]), [0.0, 1.0, 20.0, 30.0, 33.0]
    network = with_overlap([1.0, 0.0], [0.75, tiny])
    answer = ask(service, {"network": network, "task": np.diag(s).tolist(), "times": times, "quantities": ["output"]})
    assert answer["warnings"] == []
    assert answer["diagnostics"]["errors"]["output"] <= 1e-12
    for time, output in zip(times, answer["quantities"]["output"], strict=True):
        expected = rich_output(network["weights"][0], s, time)
        assert np.allclose(output, expected, rtol=0, atol=1e-13 * np.linalg.norm(expected))


@pytest.mark.parametrize("overlap", [1e-16, 1e-20, 1e-25])
def test_small_overlaps_beside_an_unaligned_block_are_certain(service, overlap):
    """Two modes mix, and a third one, which no other mode touches, grows from a number far below their roundings."""
    block, s = np.array([[0.4, 0.3], [-0.2, 0.5]]), np.array([2.0, 1.5, 1.0])
    w1 = np.zeros((3, 3))
    w1[:2, :2], w1[2, 2] = block, np.sqrt(overlap)
    times = [0.0, 1.0, -np.log(overlap) / 2, -np.log(overlap)]
    network = {"kind": "weights", "weights": [w1.tolist(), w1.T.tolist()]}
    answer = ask(service, {"network": network, "task": np.diag(s).tolist(), "times": times, "quantities": ["output"]})
    assert answer["method"] == "exact"
    assert answer["warnings"] == []
    for time, output in zip(times, answer["quantities"]["output"], strict=True):
        expected = rich_output(network["weights"][0], s, time)
        assert np.allclose(output, expected, rtol=1e-11, atol=1e-15 * min(1.0, overlap * np.exp(2 * time)))


def test_small_overlaps_of_aligned_weights_are_certain(service):
    """The modes learn alone, so that rounding errors of others do not affect them (Saxe et al. 2014)."""
    s, tiny, time = 1.0, 1e-20, 23.0
    network = with_overlap([1.0, 0.0], [0.0, np.sqrt(tiny)])
    request = {"network": network, "task": np.diag([2.0, s]).tolist(), "times": [0.0, time], "quantities": ["output"]}
    answer = ask(service, request)
    assert answer["warnings"] == []
    expected = s / (1 + (s / tiny - 1) * np.exp(-2 * s * time))
    assert 0.1 < expected < 0.9
    assert np.isclose(answer["quantities"]["output"][-1, 1, 1], expected, rtol=1e-12, atol=0)


def test_weights_of_zero_stay_zero(small):
    """LAPACK once wrote to the pipe of the worker here, which then never answered."""
    nothing = np.zeros((2, 2)).tolist()
    request = {"network": {"kind": "weights", "weights": [nothing, nothing]}, "task": EYE, "times": [0.0, 5.0]}
    assert np.array_equal(ask(small, request)["quantities"]["output"], np.zeros((2, 2, 2)))


@pytest.mark.parametrize("lam", [0.0, 2.0, -2.0])
def test_balance_is_conserved(service, lam):
    network = {"kind": "balanced", "dims": [3, 3, 3], "lambda": lam, "seed": 4}
    answer = ask(service, REQUEST | {"network": network, "quantities": ["balance"]})["quantities"]["balance"]
    assert np.allclose(answer["lambda"], lam, atol=1e-12)
    assert np.allclose(answer["residual"], 0, atol=1e-12)


def test_aligned_networks_learn_mode_by_mode(service):
    """U^T W V stays diagonal, and each mode of lambda = 0 follows its sigmoid (Saxe et al. 2014; thesis 2.28)."""
    values = np.array([3.0, 2.0, 1.0])
    request = {
        "network": {"kind": "balanced", "dims": [3, 3, 3], "lambda": 0.0, "scale": 0.1, "aligned": True, "seed": 3},
        "task": np.diag(values).tolist(),
        "times": np.linspace(0, 3, 31).tolist(),
        "quantities": ["output", "mode_strengths"],
    }
    answer = ask(service, request)
    strengths, t = answer["quantities"]["mode_strengths"], answer["times"][:, None]
    growth = np.exp(2 * values * t)
    assert np.allclose(strengths, values * growth / (growth - 1 + values / strengths[0]), rtol=1e-10, atol=0)
    assert np.allclose(answer["quantities"]["output"], [np.diag(row) for row in strengths], atol=1e-13)
