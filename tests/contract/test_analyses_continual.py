"""Continual learning over HTTP, against integration of the flow and theory."""

from itertools import pairwise

import numpy as np
import pytest
from support.flow import Data
from support.oracle import integrate
from support.routes import CONTINUAL, answer, balanced, isotropic, started

pytestmark = pytest.mark.live


def chained(client, network, tasks, durations, num, tau):
    """Weights along all segments, by integrating one after the other."""
    layers, path = started(client, network), []
    for task, duration in zip(tasks, durations, strict=True):
        times = np.linspace(0, duration, num) / tau
        path.append(integrate(*layers, task.data.sigma_yx, times, task.data.sigma_xx))
        layers = path[-1][-1]
    return path


@pytest.mark.parametrize(("dims", "lam"), [((3, 2, 4), 0.7), ((4, 4, 3), -1.0), ((3, 5, 4), 0.0)])
def test_continual_learning(service, dims, lam):
    """All losses, rates and forgetting of tasks of different variances, against integration of the flow."""
    tasks = [
        isotropic(dims[0], dims[2], 1),
        isotropic(dims[0], dims[2], 2, variance=0.5, as_data=False),
        isotropic(dims[0], dims[2], 3, variance=2.0),
    ]
    durations, num, tau, network = [2.0, 3.0, 1.5], 6, 1.3, balanced(dims, lam)
    sent = [{"task": task.sent, "duration": length} for task, length in zip(tasks, durations, strict=True)]
    found = answer(service, CONTINUAL, {"network": network, "tasks": sent, "num": num, "time_constant": tau})
    path = chained(service, network, tasks, durations, num, tau)
    losses, rates = np.empty((2, 3, 3 * num))
    for k, segment in enumerate(path):
        for j, (w1, w2) in enumerate(segment):
            w, trained = w2 @ w1, tasks[k].data
            error = trained.sigma_yx - w @ trained.sigma_xx
            velocity = (w2 @ w2.T @ error + error @ w1.T @ w1) / tau
            losses[:, k * num + j] = [task.data.loss(w) for task in tasks]
            rates[:, k * num + j] = [task.rate(w, velocity) for task in tasks]
    bounds = np.cumsum([0, *durations])
    times = np.concatenate([np.linspace(start, stop, num) for start, stop in pairwise(bounds)])
    assert np.allclose(found["times"], times, rtol=1e-14, atol=0)
    assert np.allclose(found["loss"], losses, rtol=1e-8, atol=0)
    assert np.allclose(found["rate"], rates, rtol=1e-7, atol=1e-8)
    assert np.allclose(found["final_loss"], losses[:, num - 1 :: num].T, rtol=1e-8, atol=0)
    for i in range(3):
        end = (i + 1) * num - 1
        assert found["forgetting"][i][:end] == [None] * end
        assert np.allclose(found["forgetting"][i][end:], losses[i, end:] - losses[i, end], rtol=1e-7, atol=1e-8)
        expected = {"task": i, "start": bounds[i], "stop": bounds[i + 1], "first": i * num, "last": end}
        assert found["segments"][i] == pytest.approx(expected, rel=1e-14)
    assert [(stop["task"], stop["segment"]) for stop in found["best_stopping"]] == [(0, 1), (0, 2), (1, 2)]
    for stop in found["best_stopping"]:
        there = losses[stop["task"], stop["segment"] * num :][:num]
        assert stop["loss"] <= there.min() * (1 + 1e-8)
    said = [found[name] for name in ("lambda", "dims", "seed", "task_seeds", "time_constant", "warnings")]
    assert said == [lam, list(dims), 4, [None] * 3, tau, []]


def test_the_best_time_to_stop(service):
    """On the way to a larger task, the loss of an early stopped smaller one first falls and then rises."""
    network, tau = balanced((3, 3, 3), 0.2), 1.5
    old = isotropic(3, 3, 21, variance=0.8)
    new = Data(old.data.inputs, 2 * old.data.targets)
    larger = old.sent | {"targets": new.targets.tolist()}
    sent = [{"task": old.sent, "duration": 0.5}, {"task": larger, "duration": 8.0}]
    found = answer(service, CONTINUAL, {"network": network, "tasks": sent, "num": 2, "time_constant": tau})
    (stop,) = found["best_stopping"]
    assert stop["interior"]
    assert abs(stop["rate"]) < 1e-10
    ((_, layers),) = chained(service, network, [old], [0.5], 2, tau)
    times = np.sort(np.concatenate([np.linspace(0, 8.0, 200), stop["time"] - 0.5 + np.array([-1e-3, 0.0, 1e-3])]))
    path = integrate(*layers, new.sigma_yx, times / tau, new.sigma_xx)
    losses = np.array([old.data.loss(w2 @ w1) for w1, w2 in path])
    least = np.argmin(losses)
    assert times[least] == pytest.approx(stop["time"] - 0.5, abs=1e-9)
    assert stop["loss"] == pytest.approx(losses[least], rel=1e-9)


def test_tasks_that_are_trained_until_they_are_learned(service):
    """Each task is learned, so its loss after another task is the distance of the two."""
    matrices = np.random.default_rng(3).standard_normal((3, 3, 3))
    sent = [{"task": matrix.tolist()} for matrix in matrices]
    found = answer(service, CONTINUAL, {"network": balanced((3, 3, 3), 1.0), "tasks": sent, "num": 3})
    distances = [[0.5 * np.sum((learned - other) ** 2) for other in matrices] for learned in matrices]
    assert np.allclose(found["final_loss"], distances, rtol=1e-11, atol=1e-20)
    assert np.allclose(np.array(found["rate"])[:, 2::3], 0, rtol=0, atol=1e-10)
    assert [warning["code"] for warning in found["warnings"]] == ["irreducible-loss-unknown"] * 3


def test_one_task_forgets_nothing(service):
    found = answer(service, CONTINUAL, {"network": balanced((2, 2, 2), 1.0), "tasks": [{"task": [[1, 0], [0, 2]]}]})
    assert found["best_stopping"] == []
    assert len(found["times"]) == 200
    assert found["forgetting"][0][-1] == 0
