"""Fits of curves that an ODE solver has made: estimates, information, intervals, warnings, comparison of models."""

import numpy as np
import pytest
from support.fits import SEED, SIGMA_YX, admitted, base, drawn, fitted, layers, loss, request, three_parameters
from support.oracle import integrate

from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.errors import NotApplicableError
from lindyn_service.inference.uncertainty import fisher_information
from lindyn_service.translate.fit_models import models_of
from lindyn_service.translate.fit_objective import objective_of
from lindyn_service.translate.problem import rng
from lindyn_service.translate.trajectory import trajectory

TIMES = np.linspace(0.25, 30.0, 120)
TRUTH = {"network.lambda": 0.6, "network.scale": 0.2, "time_constant": 4.0}


def curve(times=TIMES, lam=0.6, scale=0.2, tau=4.0, seed=SEED):
    return loss(drawn(seed), times, lam, scale, tau)


def noisy(noise=0.01, seed=0, **changes):
    """A curve with Gaussian noise, which is a part of the loss at time 0."""
    exact = curve(**changes)
    sigma = noise * float(exact[0])
    return exact + sigma * np.random.default_rng(seed).standard_normal(len(exact)), sigma


def full(result):
    return result["models"][0]


def test_exact_curves_give_their_parameters():
    found = full(fitted(request(TIMES, curve(), sigma=0.01)))
    for path, value in TRUTH.items():
        assert found["estimates"][path] == pytest.approx(value, rel=1e-6)
    assert np.max(np.abs(found["residuals"][0])) < 1e-8
    assert found["chi2"] < 1e-9
    assert found["dof"] == 117


def test_information_is_that_of_an_ode_solver():
    """By differences of the curves of the solver, of fourth order; in coordinates ln lambda, ln scale, ln tau."""
    asked = admitted(request(TIMES, curve(), sigma=1.0))
    (model,) = models_of(asked)
    position = np.log([0.6, 0.2, 4.0])
    found = fisher_information(objective_of(asked, model), position)
    derivatives = []
    for i in range(3):
        curves = []
        for step in (-2, -1, 1, 2):
            moved = position.copy()
            moved[i] += 4e-3 * step
            curves.append(curve(**dict(zip(("lam", "scale", "tau"), np.exp(moved), strict=True))))
        derivatives.append((curves[0] - 8 * curves[1] + 8 * curves[2] - curves[3]) / (12 * 4e-3))
    expected = np.array(derivatives) @ np.array(derivatives).T
    assert np.max(np.abs(found - expected)) < 1e-6 * np.max(np.abs(expected))


@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_estimates_of_noisy_curves_are_within_their_errors(noise):
    """The mean of four standardised errors is within three of its standard deviations, 1 / sqrt(4)."""
    errors = []
    for seed in range(4):
        values, sigma = noisy(noise, seed)
        found = full(fitted(request(TIMES, values, sigma=sigma, starts=1)))
        for path, truth in TRUTH.items():
            relative = found["standard_errors"][path] / found["estimates"][path]
            errors.append(np.log(found["estimates"][path] / truth) / relative)
            low, high = found["intervals"][path]
            assert low < found["estimates"][path] < high
    standardised = np.array(errors).reshape(4, 3)
    assert np.all(np.abs(np.mean(standardised, axis=0)) < 3 / np.sqrt(4))
    assert np.all(np.abs(standardised) < 4)


def test_an_unknown_sigma_is_estimated():
    values, sigma = noisy()
    found = full(fitted(request(TIMES, values, starts=2)))
    assert found["sigma"] == pytest.approx(sigma, rel=0.25)
    assert found["chi2"] == pytest.approx(found["dof"])
    residuals = values - np.array(found["fitted"][0])
    assert np.allclose(found["residuals"][0], residuals)
    variance = np.mean(residuals**2)
    assert found["log_likelihood"] == pytest.approx(-60 * (np.log(2 * np.pi * variance) + 1))
    assert found["aic"] == pytest.approx(8 - 2 * found["log_likelihood"])
    assert found["bic"] == pytest.approx(4 * np.log(120) - 2 * found["log_likelihood"])


def test_lazy_curves_determine_only_the_ratio_of_lambda_and_time_constant():
    """The rate of a lazy network is lambda / tau; the start is known, so that the direction has two parameters."""
    values, sigma = noisy(times=TIMES / 10, lam=30.0, tau=40.0)
    free = [each for each in three_parameters(tau=(1.0, 500.0)) if each["path"] != "network.scale"]
    asked = request(TIMES / 10, values, free, sigma)
    asked["base"]["network"]["scale"] = 0.2
    found = full(fitted(asked))
    details = [each for each in found["warnings"] if each["code"] == "unidentifiable"]
    (direction,) = [each for each in details if set(each["parameters"]) == {"network.lambda", "time_constant"}]
    assert "they determine only the ratio" in direction["detail"]
    assert found["condition"] > 1e4
    ratio = found["estimates"]["network.lambda"] / found["estimates"]["time_constant"]
    assert ratio == pytest.approx(30 / 40, rel=0.05)


def test_equal_widths_do_not_determine_the_sign_of_lambda():
    values, sigma = noisy()
    found = full(fitted(request(TIMES, values, sigma=sigma, starts=1)))
    (sign,) = [each for each in found["warnings"] if "the sign of network.lambda" in each["detail"]]
    assert sign["code"] == "unidentifiable"
    assert sign["parameters"] == ["network.lambda"]


def test_other_widths_and_representations_determine_the_sign():
    wide = request(TIMES, curve(), sigma=0.01, starts=1)
    wide["base"] = base(dims=(3, 4, 4), task=np.vstack([SIGMA_YX, np.zeros(3)]))
    assert not any("sign" in each["detail"] for each in full(fitted(wide))["warnings"])
    path = integrate(*layers(drawn(), 0.6, 0.2), SIGMA_YX, TIMES / 4.0)
    norms = request(TIMES, [np.linalg.norm(w1) for w1, _ in path], sigma=0.05, quantity="weight_norms.0", starts=2)
    assert not any("sign" in each["detail"] for each in full(fitted(norms))["warnings"])


def test_the_other_sign_may_fit_better():
    """A norm of the first layer that only a negative lambda gives."""
    path = integrate(*layers(drawn(), -0.6, 0.2), SIGMA_YX, TIMES / 4.0)
    norms = [np.linalg.norm(w1) for w1, _ in path]
    found = full(fitted(request(TIMES, norms, sigma=0.05, quantity="weight_norms.0", starts=2)))
    (better,) = [each for each in found["warnings"] if "the other sign of network.lambda fits better" in each["detail"]]
    assert better["code"] == "several-minima"


def test_estimates_at_a_bound():
    values, sigma = noisy()
    found = full(fitted(request(TIMES, values, three_parameters(lam=(1.0, 10.0)), sigma, starts=2)))
    told = next(each for each in found["warnings"] if each["code"] == "at-bound")
    assert told["parameters"] == ["network.lambda"]
    assert "its lower bound, 1" in told["detail"]
    assert found["intervals"]["network.lambda"][0] == 1.0


MODELS = [
    {"name": "rich", "set": {"network.lambda": 0.0}},
    {"name": "lazy", "set": {"network.lambda": 50.0}},
    {"name": "shallow", "set": {"network": {"kind": "weights", "weights": [np.zeros((3, 3)).tolist()]}}},
]


@pytest.mark.parametrize(("name", "lam", "tau"), [("rich", 0.0, 4.0), ("lazy", 50.0, 100.0)], ids=str)
def test_the_regime_that_made_a_curve_is_chosen(name, lam, tau):
    values, sigma = noisy(lam=lam, tau=tau)
    free = three_parameters(tau=(0.5, 5000.0))
    result = fitted(request(TIMES, values, free, sigma, models=MODELS, starts=2))
    named = [each["model"] for each in result["ranking"] if each["model"] != "full"]
    # the loss of a lazy network that starts near zero is that of a shallow one, which has fewer parameters
    assert named[0] in ({"rich"} if name == "rich" else {"lazy", "shallow"})
    assert [each["name"] for each in result["models"]] == ["full", "rich", "lazy", "shallow"]
    assert set(result["models"][3]["estimates"]) == {"time_constant"}
    assert set(result["models"][1]["estimates"]) == {"network.scale", "time_constant"}
    weights = [each["weight"] for each in result["ranking"]]
    assert sum(weights) == pytest.approx(1.0)
    assert weights == sorted(weights, reverse=True)


def test_subjects_share_some_parameters_and_have_others():
    free = [
        {"path": "network.lambda", "bounds": [0.01, 10.0], "scale": "log"},
        {"path": "time_constant", "bounds": [0.5, 50.0], "scale": "log", "per_subject": True},
    ]
    asked = request(TIMES, curve(), free, 0.01)
    asked["base"]["network"]["scale"] = 0.2
    (first,) = asked["observations"]
    second = {**first, "values": curve(tau=7.0).tolist(), "subject": "b"}
    asked["observations"] = [{**first, "subject": "a"}, second]
    found = full(fitted(asked))
    assert found["estimates"]["network.lambda"] == pytest.approx(0.6, rel=1e-6)
    assert found["estimates"]["time_constant"] == {
        "a": pytest.approx(4.0, rel=1e-6),
        "b": pytest.approx(7.0, rel=1e-6),
    }
    assert set(found["standard_errors"]["time_constant"]) == {"a", "b"}
    assert np.shape(found["covariance"]) == (3, 3)
    assert [each["subject"] for each in found["parameters"]] == [None, "a", "b"]


def test_choices_through_a_logistic_link():
    """Successes in trials, whose logit falls with the loss; slope and offset are estimated, too."""
    logit = 3.0 - 1.5 * curve()
    trials = np.full(120, 400)
    successes = np.random.default_rng(1).binomial(trials, 1 / (1 + np.exp(-logit)))
    free = [
        {"path": "network.lambda", "bounds": [0.01, 10.0], "scale": "log"},
        {"path": "observations.factor", "bounds": [-10.0, 0.0]},
        {"path": "observations.0.offset", "bounds": [-10.0, 10.0]},
    ]
    asked = request(TIMES, successes, free)
    asked["base"] |= {"time_constant": 4.0}
    asked["base"]["network"]["scale"] = 0.2
    asked["observations"][0]["trials"] = 400
    found = full(fitted(asked))
    for path, truth in (("network.lambda", 0.6), ("observations.factor", -1.5), ("observations.0.offset", 3.0)):
        assert abs(found["estimates"][path] - truth) < 4 * found["standard_errors"][path], path
    assert found["standard_errors"]["observations.0.offset"] < 0.2
    assert found["sigma"] is None
    assert np.allclose(np.array(found["fitted"][0]) + found["residuals"][0], successes)
    assert np.all((np.array(found["fitted"][0]) > 0) & (np.array(found["fitted"][0]) < 400))


def test_one_number_of_a_quantity_with_several():
    w1, w2 = balanced_weights((3, 3, 3), 0.6, 0.2, rng(SEED))
    outputs = np.array([b @ a for a, b in integrate(w1, w2, SIGMA_YX, TIMES / 4.0)])
    strengths = np.linalg.svd(outputs, compute_uv=False)[:, 1]
    asked = request(TIMES, strengths, [three_parameters()[2]], 0.01, "singular_values.1")
    asked["base"]["network"] |= {"lambda": 0.6, "scale": 0.2}
    asked["observations"].append({**asked["observations"][0], "quantity": "output.2.0"})
    asked["observations"][1]["values"] = outputs[:, 2, 0].tolist()
    assert full(fitted(asked))["estimates"]["time_constant"] == pytest.approx(4.0, rel=1e-6)


def test_networks_without_a_closed_form():
    """Three layers of random weights are integrated; the time constant is that of the curve of a trajectory."""
    network = {"kind": "random", "dims": [3, 3, 3, 3], "scheme": "glorot", "seed": 2}
    method, times = {"kind": "flow", "rtol": 1e-6}, np.linspace(1.0, 12.0, 8).tolist()
    same = {"network": network, "task": SIGMA_YX.tolist(), "method": method}
    exact = {**same, "times": times, "time_constant": 7.0, "quantities": ["loss"]}
    made = trajectory(TrajectoryRequest.model_validate(exact), "key")
    free = [{"path": "time_constant", "bounds": [5.0, 10.0]}]
    asked = request(times, made["quantities"]["loss"], free, 0.01, starts=1)
    assert full(fitted({**asked, "base": same}))["estimates"]["time_constant"] == pytest.approx(7.0, rel=1e-4)


def test_a_model_without_a_curve_says_so_and_the_others_are_fitted():
    """The alignment of a mode that the task does not have is not defined, at any start."""
    few = np.diag([2.0, 1.0, 0.0]).tolist()
    models = [{"name": "few", "set": {"task": few}, "free": ["time_constant"]}]
    asked = request(TIMES, np.linspace(0.1, 0.9, 120), [three_parameters()[2]], 0.1, "alignment.input.2", models=models)
    asked["base"]["network"] |= {"lambda": 0.6, "scale": 0.2}
    asked["starts"] = 2
    found = fitted(asked)
    assert "estimates" in found["models"][0]
    assert found["models"][1]["problem"]["detail"].startswith(
        "no curve exists at any of 2 starts, the first of which is"
    )
    assert "time_constant = 5" in found["models"][1]["problem"]["detail"]
    assert [each["model"] for each in found["ranking"]] == ["full"]
    asked["base"]["task"], asked["models"] = few, []
    with pytest.raises(NotApplicableError, match="no model could be fitted: no curve exists at any of 2 starts"):
        fitted(asked)
