"""Inputs of very different sizes, and what they explain of the targets, over HTTP against closed forms.

With orthogonal input columns and weights along them, at lambda = 0, each mode learns alone: tau da/dt = 2 a (s - d a)
with the variance d of its input and its correlation s (Saxe et al. 2014).
"""

import numpy as np
import pytest
from support.documents import EYE, document
from support.flow import Data
from support.oracle import integrate
from support.routes import LIMITS
from support.service import ask, post, problem

pytestmark = pytest.mark.live

COLUMNS = np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]])
START = np.array([0.03, 0.5, 0.4])


def orthogonal_data(sizes, best):
    """Inputs of these sizes, and as targets the best network function of them."""
    inputs = COLUMNS * sizes
    return {"kind": "data", "inputs": inputs.tolist(), "targets": (inputs * best).tolist(), "whiten": False}


def along_the_columns(strengths=START):
    diagonal = np.diag(strengths).tolist()
    return {"kind": "weights", "weights": [diagonal, diagonal]}


def strengths(variances, best, times):
    """Solve da/dt = 2 a d (best - a) from the squares of the initial strengths."""
    start = np.square(START)
    left = np.exp(-2 * np.multiply(variances, best) * np.array(times)[:, None])
    return start * best / (start * (1 - left) + best * left)


@pytest.mark.parametrize("method", ["auto", "flow"])
@pytest.mark.parametrize(
    ("sizes", "best"),
    [
        ((1e5, 1.0, 1.0), (2.0**-34, 1.0, 0.5)),
        ((1e8, 1.0, 1.0), (2.0**-54, 1.0, 0.5)),
        ((1.0, 1e-5, 1e-5), (1.0, 1e5, 3e4)),
        ((1.0, 1e-5, 1e-4), (1.0, 3e4, 1e4)),
        ((1.0, 1.0, 1e-9), (1.0, 0.5, 1e9)),
    ],
)
def test_small_inputs_are_learned(service, sizes, best, method):
    times = [0.0, 0.5, 2.0, 5.0, 9.0]
    request = {"network": along_the_columns(), "task": orthogonal_data(sizes, best), "times": times, "method": method}
    answer = ask(service, request | {"quantities": ["loss", "output"]})
    variances = np.square(sizes)
    expected = strengths(variances, np.array(best), times)
    assert answer["method"] == "flow" or method == "auto"
    assert np.allclose(answer["quantities"]["output"], [np.diag(a) for a in expected], rtol=1e-8, atol=1e-12)
    assert np.allclose(answer["quantities"]["loss"], 0.5 * (best - expected) ** 2 @ variances, rtol=1e-8, atol=0)
    assert answer["diagnostics"]["irreducible_loss"] == 0
    assert np.allclose(answer["diagnostics"]["target"]["singular_values"], np.sort(best)[::-1], rtol=1e-9, atol=0)


def test_small_variances_are_learned(service):
    """The same task, given by its moments."""
    variances, best, times = np.array([1.0, 1e-10, 1e-13]), np.array([1.0, 1e10, 2e12]), [0.0, 1.0, 5.0, 9.0]
    task = {
        "kind": "correlation",
        "sigma_yx": np.diag(variances * best).tolist(),
        "sigma_xx": np.diag(variances).tolist(),
        "sigma_yy_trace": float(best**2 @ variances),
    }
    request = {"network": along_the_columns(), "task": task, "times": times, "quantities": ["excess_loss", "output"]}
    answer = ask(service, request)
    expected = strengths(variances, best, times)
    assert answer["method"] == "exact"  # each mode learns alone
    assert np.allclose(answer["quantities"]["output"], [np.diag(a) for a in expected], rtol=1e-8, atol=1e-12)
    assert np.allclose(answer["quantities"]["excess_loss"], 0.5 * (best - expected) ** 2 @ variances, rtol=1e-8, atol=0)
    assert answer["diagnostics"]["irreducible_loss"] == 0


@pytest.mark.parametrize(
    ("sizes", "times"),
    [
        ((1e5, 1.0, 1.0), [0.0, 1e-10, 1e-8, 1e-7]),
        ((1.0, 1e-5, 1e-5), [0.0, 0.5, 2.0]),
        ((1.0, 1.0, 1e-5), [0.0, 0.5, 2.0]),
    ],
)
@pytest.mark.parametrize("aligned", [False, True])
def test_a_drawn_network_has_weights_for_small_inputs(service, sizes, times, aligned):
    """These are learned; compared with an integration of the flow on the data."""
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((20, 3)) * sizes
    data = Data(inputs, (inputs / sizes) @ rng.standard_normal((3, 3)) + 0.1 * rng.standard_normal((20, 3)))
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": data.targets.tolist(), "whiten": False}
    network = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 0.5, "scale": 0.5, "seed": 3, "aligned": aligned}
    answer = ask(service, {"network": network, "task": task, "times": times, "quantities": ["loss", "weights"]})
    w1, w2 = (layer[0] for layer in answer["quantities"]["weights"])
    assert np.linalg.matrix_rank(w1) == 3
    path = integrate(w1, w2, data.sigma_yx, np.array(times), data.sigma_xx)
    assert np.allclose(answer["quantities"]["loss"], [data.loss(b @ a) for a, b in path], rtol=1e-8, atol=0)
    assert answer["quantities"]["loss"][-1] < answer["quantities"]["loss"][0]
    assert np.isclose(answer["diagnostics"]["irreducible_loss"], data.least_loss(), rtol=1e-9, atol=0)


def unequal_data(whiten):
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((30, 3)) * [1e5, 1.0, 1.0]
    targets = inputs @ rng.standard_normal((3, 2))
    return {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": whiten}


def test_refusals_of_stiff_inputs_name_their_variances(service):
    request = document(times="list") | {"network": balanced(2), "task": unequal_data(False), "times": [0.0, 20.0]}
    detail = problem(post(service, request), 422, "not-applicable")["detail"]
    variances = np.linalg.svd(request["task"]["inputs"], compute_uv=False) ** 2 / 30
    sizes = f"the inputs have variances from {variances[-1]:.3g} to {variances[0]:.3g}"
    for text in ("came to time", "of 20", sizes, "scale the inputs to like sizes, whiten them"):
        assert text in detail
    detail = problem(post(service, request | {"method": "exact"}), 422, "not-applicable")["detail"]
    assert "whiten the inputs" in detail
    whole = {"network": balanced(2), "task": unequal_data(False)}
    assert "sigma_xx is 0.8" in problem(post(service, whole, path=LIMITS), 422, "not-applicable")["detail"]


def balanced(n_out):
    return {"kind": "balanced", "dims": [3, 2, n_out], "lambda": 0.5, "seed": 3}


def test_inputs_of_very_different_sizes_are_whitened_in_all_directions(service):
    answer = ask(service, document(times="list") | {"network": balanced(2), "task": unequal_data(True)})
    assert answer["method"] == "exact"
    assert "span" not in answer["reason"]
    assert answer["diagnostics"]["irreducible_loss"] == 0


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(("n_samples", "n_in"), [(30, 3), (3, 3), (2, 3), (5, 1)])
def test_explained_targets_leave_no_loss(service, n_samples, n_in, whiten):
    """With as many inputs as samples, or targets that are linear in the inputs."""
    rng = np.random.default_rng(7)
    inputs = rng.standard_normal((n_samples, n_in))
    targets = inputs @ rng.standard_normal((n_in, 2)) if n_samples > n_in else rng.standard_normal((n_samples, 2))
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": whiten}
    network = {"kind": "balanced", "dims": [n_in, 2, 2], "lambda": 0.0, "scale": 0.5, "seed": 3}
    answer = ask(service, {"network": network, "task": task, "times": [0.0, 1.0], "quantities": ["loss"]})
    assert answer["diagnostics"]["irreducible_loss"] == 0


def test_regression_on_as_many_inputs_leaves_no_loss(service):
    request = document() | {"network": balanced(2), "task": {"kind": "regression", "samples": 3, "seed": 1}}
    assert ask(service, request)["diagnostics"]["irreducible_loss"] == 0


def test_a_small_irreducible_loss_has_a_small_relative_error(service):
    """1/2 1e-18 beside targets of the order of one: a difference of squares would lose all digits."""
    inputs, away = COLUMNS[:, :2], COLUMNS[:, 2:]
    targets = inputs @ np.array([[0.5], [0.25]]) + 1e-9 * away
    for whiten in (False, True):
        task = {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": whiten}
        network = {"kind": "balanced", "dims": [2, 1, 1], "lambda": 1.0, "seed": 3}
        answer = ask(service, {"network": network, "task": task, "times": [0.0]})
        assert np.isclose(answer["diagnostics"]["irreducible_loss"], 0.5e-18, rtol=1e-6, atol=0)


@pytest.mark.parametrize("part", [1e-10, 1e-6, 1.0])
def test_correlations_with_directions_without_inputs_are_refused(service, part):
    task = {"kind": "correlation", "sigma_yx": [[1.0, part], [1.0, 0.0]], "sigma_xx": [[1.0, 0.0], [0.0, 0.0]]}
    body = problem(post(service, document() | {"task": task}), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == ["task.sigma_yx"]
    for text in ("directions in which sigma_xx has no inputs", "no data have these moments", "task.kind = data"):
        assert text in body["errors"][0]["detail"]


def test_moments_of_low_rank_up_to_rounding(service):
    """Sums over samples that repeat one another: the problem is solved on their span, and no correlation is refused."""
    rng = np.random.default_rng(9)
    for n_samples in (3, 50, 2000):
        inputs = rng.standard_normal((n_samples, 1)) @ rng.standard_normal((1, 2))
        targets = rng.standard_normal((n_samples, 2))
        task = {
            "kind": "correlation",
            "sigma_yx": (targets.T @ inputs / n_samples).tolist(),
            "sigma_xx": (inputs.T @ inputs / n_samples).tolist(),
            "sigma_yy_trace": float(np.sum(targets**2) / n_samples),
        }
        network = {"kind": "balanced", "dims": [2, 1, 2], "lambda": 1.0, "seed": 3}
        answer = ask(service, {"network": network, "task": task, "times": [0.0, 1.0]})
        assert "on their span (1 of 2 dimensions)" in answer["reason"]


TINY = 5e-324


@pytest.mark.parametrize(
    "times",
    [
        [i * TINY for i in range(3000)],
        [i * 1e-320 for i in range(3000)],
        [i * 1e-312 for i in range(3000)],
        {"stop": TINY, "num": 3000},
        {"stop": 3000 * TINY, "num": 5000},
        {"stop": 1e-320, "num": 3000},
        {"start": TINY, "stop": 1e-300, "num": 3000, "spacing": "log"},
        {"stop": 0.0, "num": 3000},
    ],
    ids=lambda times: str(times)[:50],
)
@pytest.mark.parametrize("method", ["exact", "flow"])
def test_times_that_differ_by_one_rounding_error(service, times, method):
    """Nothing changes between them, for any time constant."""
    network = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "seed": 3}
    request = {"network": network, "task": EYE, "times": times, "method": method, "quantities": ["loss", "output"]}
    for tau in (1.0, 1e-5, 1e5):
        answer = ask(service, request | {"time_constant": tau})
        assert np.all(np.diff(answer["times"]) >= 0)
        known = ask(service, request | {"times": [float(answer["times"][-1])], "time_constant": tau})
        for name in ("loss", "output"):
            values, last = answer["quantities"][name], known["quantities"][name][0]
            assert np.allclose(values, last, rtol=1e-13, atol=1e-15), name
