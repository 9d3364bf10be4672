"""Continual learning, as computed by a worker, against separate trajectories and theory."""

import numpy as np
import pytest
from support.analyses import BALANCED, SIGMA_YX, ask, learn

from lindyn.wire.continual import ContinualRequest
from lindyn_service.errors import NotApplicableError
from lindyn_service.translate.continual import continual

RNG = np.random.default_rng(2)
TASKS = [SIGMA_YX, RNG.standard_normal((3, 3)), RNG.standard_normal((3, 3))]


def chain(tasks, **changes):
    document = {"network": BALANCED, "tasks": tasks, "num": 11, **changes}
    return ask(continual, ContinualRequest, document)


def test_losses_are_those_of_consecutive_trajectories():
    found = chain([{"task": TASKS[0], "duration": 2.0}, {"task": TASKS[1], "duration": 3.0}], time_constant=2.0)
    assert np.allclose(found["times"], [*np.linspace(0, 2, 11), *np.linspace(2, 5, 11)])
    first = learn(task=TASKS[0], times=np.linspace(0, 2, 11), time_constant=2.0, quantities=["output", "weights"])
    weights = [np.array(layer)[-1] for layer in first["quantities"]["weights"]]
    second = learn(
        network={"kind": "weights", "weights": weights},
        task=TASKS[1],
        times=np.linspace(0, 3, 11),
        time_constant=2.0,
        quantities=["output", "loss_rate"],
    )
    outputs = np.concatenate([first["quantities"]["output"], second["quantities"]["output"]])
    for i in range(2):
        expected = 0.5 * np.sum((outputs - TASKS[i]) ** 2, axis=(1, 2))
        assert np.allclose(found["loss"][i], expected, rtol=0, atol=1e-11)
    assert np.allclose(found["rate"][1][11:], second["quantities"]["loss_rate"], rtol=0, atol=1e-10)
    assert [(s["task"], s["start"], s["stop"], s["first"], s["last"]) for s in found["segments"]] == [
        (0, 0.0, 2.0, 0, 10),
        (1, 2.0, 5.0, 11, 21),
    ]
    assert found["forgetting"][0][:10] == [None] * 10
    assert found["forgetting"][0][10] == 0
    assert np.allclose(found["forgetting"][0][11:], np.array(found["loss"][0][11:]) - found["loss"][0][10])


def test_forgetting_at_convergence():
    found = chain([{"task": task} for task in TASKS])
    final = np.array(found["final_loss"])
    for i in range(3):
        for j in range(3):
            assert final[j, i] == pytest.approx(0.5 * np.sum((TASKS[j] - TASKS[i]) ** 2), abs=1e-12)


def test_best_stopping_times_are_stationary_and_least():
    found = chain([{"task": SIGMA_YX}, {"task": 0.5 * SIGMA_YX + 0.1, "duration": 5.0}], num=400)
    (stop,) = found["best_stopping"]
    assert (stop["task"], stop["segment"]) == (0, 1)
    assert stop["loss"] <= min(found["loss"][0][400:]) + 1e-12
    overshoot = chain([{"task": 0.1 * SIGMA_YX}, {"task": SIGMA_YX}, {"task": -SIGMA_YX}], num=50)
    interior = [stop for stop in overshoot["best_stopping"] if stop["interior"]]
    assert interior
    assert all(abs(stop["rate"]) < 1e-10 for stop in interior)


def test_reversal_ends_at_a_saddle_only_for_balance_0():
    for lam, stuck in ((0.0, True), (1e-2, False)):
        network = {**BALANCED, "lambda": lam, "aligned": True}
        found = chain([{"task": SIGMA_YX, "duration": 200.0}, {"task": -SIGMA_YX, "duration": 2000.0}], network=network)
        assert (found["final_loss"][1][1] > 0.1) == stuck
        assert any(warning["code"] == "saddle" for warning in found["warnings"]) == stuck


def test_known_irreducible_losses_are_added():
    data = {"kind": "regression", "samples": 9, "seed": 1}
    found = chain(
        [
            {"task": data, "duration": 1.0},
            {"task": {"kind": "regression", "samples": 9}, "duration": 1.0} | {"task": {**data, "seed": 2}},
        ]
    )
    alone = learn(task=data, times=np.linspace(0, 1, 11), quantities=["loss"])["quantities"]["loss"]
    assert np.allclose(found["loss"][0][:11], alone, rtol=1e-12, atol=0)
    assert found["task_seeds"] == [1, 2]
    assert found["warnings"] == []


def test_sequences_without_a_closed_form_are_refused():
    flat = {"kind": "data", "inputs": [[1.0, 0.0, 0.0]], "targets": [[1.0, 0.0, 0.0]], "whiten": True}
    with pytest.raises(NotApplicableError, match="must span all dimensions") as caught:
        chain([{"task": flat, "duration": 1.0}], network={**BALANCED, "dims": [3, 1, 3]})
    assert caught.value.errors[0][0] == "tasks.0.task"
    with pytest.raises(NotApplicableError, match=r"^task 0 does not settle .*; give a duration$"):
        chain([{"task": np.zeros((3, 3))}], network={**BALANCED, "lambda": 0.0})
