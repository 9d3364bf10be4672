"""The limit of wide random layers over HTTP, against weights that have its representations, and against draws."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from support.flow import Data, flat, of_samples, of_task, quantities_of, whitened
from support.integrated import integrated
from support.routes import CONTINUAL, INITIALIZATIONS, LIMITS, STATISTICS, answer, given
from support.service import ask, post

from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

ALL = [name for name in QUANTITIES if name != "weights"]
SHAPES = {"more inputs": (4, 60, 2), "more outputs": (2, 60, 3), "as many": (3, 60, 3), "one output": (3, 60, 1)}
TAU = 1.5


def wide(dims, **changes):
    return {"kind": "wide", "dims": list(dims), "scheme": "glorot", "gain": [0.6, 1.4], "seed": 3} | changes


def data_of(dims, *, white=True):
    rng = np.random.default_rng(6)
    inputs, targets = rng.standard_normal((9, dims[0])), rng.standard_normal((9, dims[-1]))
    found = Data(whitened(inputs) if white else inputs, targets)
    return {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": white}, found


def sizes(dims):
    """The entries of both layers have the variances gain^2 2 / (fan_in + fan_out)."""
    n_in, n_hidden, n_out = dims
    return n_hidden * 0.36 * 2 / (n_in + n_hidden), n_hidden * 1.96 * 2 / (n_hidden + n_out)


def standing(function, a, b):
    """Layers with W2 W1 = function and the representations of the limit, from the root of their Gram matrix."""
    n_in = function.shape[1]
    roots = (
        np.real(sqrtm(part + ((a + b) / 2) ** 2 * np.eye(len(part))))
        for part in (function.T @ function, function @ function.T)
    )
    into, out = (root + sign * (a - b) / 2 * np.eye(len(root)) for root, sign in zip(roots, (1, -1), strict=True))
    values, vectors = np.linalg.eigh(np.block([[into, function.T], [function, out]]))
    q = vectors * np.sqrt(np.maximum(values, 0))
    assert np.allclose(q[n_in:] @ q[:n_in].T, function, atol=1e-13)
    return q[:n_in].T, q[n_in:]


def start_of(service, network):
    """Network function that kind random draws, or zero."""
    function = np.zeros((network["dims"][-1], network["dims"][0]))
    if network.get("start") == "drawn":
        drawn = {name: value for name, value in network.items() if name != "start"} | {"kind": "random"}
        found = ask(service, {"network": drawn, "task": function.tolist(), "times": [0.0], "quantities": ["output"]})
        function = found["quantities"]["output"][0]
    return function


def expected_of(path, seen, hidden):
    """All quantities from layers at some times; omitted hidden units have no weights."""
    n_in = path[0][0].shape[1]
    padded = [
        (np.pad(w1, ((0, hidden - len(w1)), (0, 0))), np.pad(w2, ((0, 0), (0, hidden - len(w1))))) for w1, w2 in path
    ]
    found = of_samples(path, seen.inputs, seen.targets) | of_task(path, seen.sigma_yx, seen.sigma_xx, TAU)
    with np.errstate(invalid="ignore"):  # a function of zero has no shares of strength
        of_weights = quantities_of(path, 0.0)
    b = [w2.T @ w2 - w1 @ w1.T for w1, w2 in padded]
    lam = np.array([np.trace(each) / hidden for each in b])
    residual = [np.linalg.norm(each - value * np.eye(hidden)) for each, value in zip(b, lam, strict=True)]
    losses = np.array([seen.loss(w2 @ w1) for w1, w2 in path])
    balance = {"balance.lambda": lam, "balance.residual": np.array(residual)}
    assert n_in == seen.inputs.shape[1]
    return found | of_weights | balance | {"loss": losses, "excess_loss": losses - seen.least_loss()}


def compare(got, expected, tolerance):
    for name, values in flat(got).items():
        if name in expected:
            wanted = expected[name]
            size = max(float(np.nanmax(np.abs(wanted))), 1e-3)
            known = ~np.isnan(wanted)
            assert np.allclose(values[known], wanted[known], rtol=0, atol=tolerance * size), name


@pytest.mark.parametrize("start", ["zero", "drawn"])
@pytest.mark.parametrize("dims", SHAPES.values(), ids=SHAPES)
def test_all_quantities_of_the_closed_form(service, dims, start):
    network, (task, seen) = wide(dims, start=start), data_of(dims)
    times = np.array([0.0, 0.2, 0.9, 3.0])
    request = {"network": network, "task": task, "times": times.tolist(), "quantities": ALL, "time_constant": TAU}
    got = ask(service, request)
    a, b = sizes(dims)
    assert got["method"] == "exact"
    assert abs(got["lambda"]) == pytest.approx(a + b, rel=1e-14)
    assert (got["lambda"] > 0) == (dims[0] < dims[2])
    assert got["diagnostics"]["lambda_eff"] == pytest.approx(a + b, rel=1e-14)
    path = integrated(standing(start_of(service, network), a, b), seen.sigma_yx, None, times / TAU)
    compare(got["quantities"], expected_of(path, seen, dims[1]), 2e-12)
    assert max(got["diagnostics"]["errors"].values()) < 1e-11


@pytest.mark.parametrize("method", ["auto", "flow"])
def test_wide_networks_on_coloured_inputs_are_integrated(service, method):
    network, (task, seen) = wide((3, 50, 2), start="drawn"), data_of((3, 50, 2), white=False)
    times = np.array([0.0, 0.3, 1.2])
    request = {"network": network, "task": task, "times": times.tolist(), "quantities": ALL, "time_constant": TAU}
    got = ask(service, request | {"method": method})
    assert got["method"] == "flow"
    assert "limit of a wide hidden layer" in got["reason"]
    weights = standing(start_of(service, network), *sizes((3, 50, 2)))
    path = integrated(weights, seen.sigma_yx, seen.sigma_xx, times / TAU)
    compare(got["quantities"], expected_of(path, seen, 50), 3e-11)


def test_descent_is_that_of_layers_with_its_representations(service):
    network, (task, seen) = wide((3, 50, 2), start="drawn"), data_of((3, 50, 2))
    eta, steps = 0.02, 40
    request = {"network": network, "task": task, "times": [0.0, eta * steps], "quantities": ALL}
    got = ask(service, request | {"method": {"kind": "descent", "learning_rate": eta}, "time_constant": TAU})
    w1, w2 = standing(start_of(service, network), *sizes((3, 50, 2)))
    path = [(w1, w2)]
    for _ in range(steps):
        error = seen.sigma_yx - w2 @ w1
        w1, w2 = w1 + eta / TAU * w2.T @ error, w2 + eta / TAU * error @ w1.T
    compare(got["quantities"], expected_of([*path, (w1, w2)], seen, 50), 1e-11)


def test_only_the_products_of_width_and_variance_matter(service):
    """From 5 to 100,000 hidden units with the same products; no array of this width is formed."""
    _, found = data_of((3, 5, 2))
    task, answers = found.sigma_yx.tolist(), []
    for hidden in (5, 80, 100_000):
        network = {"kind": "wide", "dims": [3, hidden, 2], "scheme": "normal", "gain": (2 / hidden) ** 0.5}
        request = {
            "network": network,
            "task": task,
            "times": [0, 0.5, 4],
            "quantities": ["qqt", "loss", "ntk_distance"],
        }
        got = ask(service, request)
        assert (got["method"], got["seed"]) == ("exact", 0)
        answers.append(got["quantities"])
    for name, values in answers[0].items():
        for other in answers[1:]:
            assert np.allclose(values, other[name], rtol=1e-12, atol=1e-14)


def test_draws_approach_the_limit_as_the_inverse_square_root_of_the_width(service):
    task = np.random.default_rng(3).standard_normal((4, 6)).tolist()
    widths, deviations = (256, 2048, 16384), []
    for hidden in widths:
        found, times = [], (np.linspace(0, 4, 9) / (hidden / 6 + 1)).tolist()
        for seed in range(8):
            draw = {"kind": "random", "dims": [6, hidden, 4], "scheme": "lecun", "seed": seed}
            request = {"task": task, "times": times, "quantities": ["loss"]}
            drawn = ask(service, request | {"network": draw})["quantities"]["loss"]
            limit = ask(service, request | {"network": draw | {"kind": "wide", "start": "drawn"}})["quantities"]["loss"]
            found.append(np.max(np.abs(drawn - limit)) / drawn[0])
        deviations.append(np.mean(found))
    assert -0.65 < np.polyfit(np.log(widths), np.log(deviations), 1)[0] < -0.35
    assert deviations[0] < 0.08


@pytest.mark.parametrize("gain", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("late", [1e3, 1e6])
def test_small_and_large_gains_at_late_times(service, gain, late):
    """The network function tends to the task for any gain, and the representations are those of the limit."""
    network, (_, seen) = wide((3, 50, 2), gain=gain, start="drawn"), data_of((3, 50, 2))
    a, b = (50 * gain**2 * 2 / (50 + n) for n in (3, 2))
    weakest = np.linalg.svd(seen.sigma_yx, compute_uv=False)[-1]
    time = late / np.hypot(weakest, (a + b) / 2)
    names = ["output", "input_representation", "output_representation"]
    got = ask(service, {"network": network, "task": seen.sigma_yx.tolist(), "times": [time], "quantities": names})
    w, nu = seen.sigma_yx, (a + b) / 2
    left, s, right = np.linalg.svd(w)
    into = (right.T * np.hypot([*s, 0.0], nu)) @ right
    out = (left * np.hypot(s, nu)) @ left.T
    expected = w, into + (a - b) / 2 * np.eye(3), out - (a - b) / 2 * np.eye(2)
    for name, values in zip(names, expected, strict=True):
        assert np.allclose(got["quantities"][name][0], values, rtol=0, atol=1e-12 * max(1.0, np.max(values))), name


def test_limits_are_those_of_late_trajectories(service):
    network, (task, seen) = wide((3, 50, 2), start="drawn"), data_of((3, 50, 2))
    request = {"network": network, "task": task, "time_constant": TAU}
    found = answer(service, LIMITS, request | {"tolerance": 1e-4})
    names = ["output", "input_representation", "output_representation", "loss", "sharpness", "excess_loss"]
    times = [found["convergence_time"], 60.0]
    late = ask(service, request | {"times": times, "quantities": names})["quantities"]
    for name in names[:4]:
        assert np.allclose(found["converged"][name], late[name][-1], rtol=0, atol=1e-12)
    assert late["excess_loss"][0] == pytest.approx(1e-4, rel=1e-10)
    assert found["largest_learning_rate"] == pytest.approx(2 * TAU / late["sharpness"][-1], rel=1e-10)
    assert abs(found["lambda"]) == pytest.approx(sum(sizes((3, 50, 2))), rel=1e-14)
    assert found["effective_learning_rate"] == pytest.approx(abs(found["lambda"]) / TAU)
    assert np.allclose(found["shallow"]["output"], seen.sigma_yx)


def test_continual_learning_continues_from_the_end_of_a_task(service):
    network, (_, first) = wide((3, 50, 2), start="drawn"), data_of((3, 50, 2))
    tasks = [first.sigma_yx, -first.sigma_yx]
    sent = [{"task": task.tolist(), "duration": 0.4} for task in tasks]
    found = answer(service, CONTINUAL, {"network": network, "tasks": sent, "num": 3})
    weights = standing(start_of(service, network), *sizes((3, 50, 2)))
    losses = []
    for task in tasks:
        path = integrated(weights, task, None, [0.0, 0.2, 0.4])
        losses += [[0.5 * np.sum((w2 @ w1 - each) ** 2) for each in tasks] for w1, w2 in path]
        weights = path[-1]
    assert np.allclose(np.array(found["loss"]).T, losses, rtol=0, atol=1e-11)


def test_statistics_have_lambda_eff(service):
    found = answer(service, STATISTICS, {"dims": [6, 12, 4], "scheme": "he", "samples": 4, "seed": 1})
    assert found["lambda_eff"] == pytest.approx(2 * (12 / 6 + 1))


def test_a_hidden_layer_that_is_not_wide_has_a_warning(service):
    task = np.ones((2, 3)).tolist()
    got = ask(service, {"network": wide((3, 4, 2)), "task": task, "times": [1.0], "quantities": ["loss", "qqt"]})
    assert "not-wide" in [each["code"] for each in got["warnings"]]
    got = ask(service, {"network": wide((3, 5, 2)), "task": task, "times": [1.0], "quantities": ["balance"]})
    assert got["warnings"] == []


DEGENERATE = {"kind": "data", "inputs": [[1.0, 0, 0], [0, 1.0, 0]], "targets": [[1.0, 0], [0, 2.0]], "whiten": True}

REFUSED = {
    "weights": ({"quantities": ["weights"]}, "quantities", "kind 'random'"),
    "balance": ({"network": wide((3, 4, 2)), "quantities": ["balance"]}, "quantities", "at least in + out = 5"),
    "depth": ({"network": wide((3, 4, 4, 2))}, "network.dims", "a wide network has three"),
    "start": ({"network": wide((3, 50, 2), start="mean")}, "network.start", "'zero', 'drawn'"),
    "gains": ({"network": wide((3, 50, 2), gain=[1, 2, 3])}, "network.gain", "2 layers"),
    "coloured": (
        {
            "task": {
                "kind": "correlation",
                "sigma_yx": np.ones((2, 3)).tolist(),
                "sigma_xx": np.diag([1.0, 2, 3]).tolist(),
            }
        },
        "task",
        "use method flow",
    ),
    "span": ({"network": wide((3, 50, 2), start="drawn", seed=1), "task": DEGENERATE}, "task", "use method flow"),
    "activation": (
        {"task": DEGENERATE, "method": {"kind": "descent", "learning_rate": 0.1, "activation": "relu"}},
        "method",
        "kind random",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_recommend_a_remedy(service, case):
    changes, path, remedy = REFUSED[case]
    document = {
        "network": wide((3, 50, 2)),
        "task": np.ones((2, 3)).tolist(),
        "times": [1.0],
        "method": "exact",
    } | changes
    response = post(service, document)
    problem = response.json()
    assert response.status_code == 422
    assert [each["path"] for each in problem["errors"]] == [path]
    assert remedy in problem["detail"] + problem["errors"][0]["detail"]


def test_inputs_on_a_subspace_are_integrated(service):
    request = {"network": wide((3, 50, 2)), "task": DEGENERATE, "times": [0.0, 0.7], "quantities": ["qqt"]}
    got = ask(service, request)["quantities"]["qqt"]
    assert np.allclose(got[:, 2, 2], sizes((3, 50, 2))[0], rtol=1e-12, atol=0)
    assert not np.any(got[:, 2, 3:])


def test_wide_networks_have_no_initial_weights(service):
    response = post(service, {"network": wide((3, 50, 2))}, path=INITIALIZATIONS)
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {
            "path": "network.kind",
            "detail": "got wide, a limit that has no weights; use kind 'random' for those of one draw",
        }
    ]


def test_given_layers_with_these_representations_have_the_same_closed_form(service):
    """The equation of the limit is that of balanced weights with as many hidden units as the wider side."""
    _, seen = data_of((2, 60, 3))
    a, b = sizes((2, 60, 3))
    root = np.sqrt(a + b)
    request = {"task": seen.sigma_yx.tolist(), "times": [0.0, 0.3, 2.0], "quantities": ["output"]}
    limit = ask(service, request | {"network": wide((2, 60, 3))})["quantities"]["output"]
    balanced = ask(service, request | {"network": given(np.zeros((3, 2)), root * np.eye(3))})
    assert balanced["method"] == "exact"
    assert np.allclose(limit, balanced["quantities"]["output"], rtol=0, atol=1e-13)
