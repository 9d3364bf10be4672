"""Seeds that the service draws and returns, and reproducibility."""

import numpy as np
import pytest
from support.documents import document, put
from support.service import ask, post

from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

NETWORK = {"kind": "balanced", "dims": [3, 2, 4], "lambda": 0.5}
TASKS = {
    "regression": {"kind": "regression", "samples": 20},
    "spectrum": {"kind": "spectrum", "singular_values": [2.0, 1.0]},
}


def whole(task="spectrum", **changes):
    return {"network": NETWORK, "task": TASKS[task], "times": [0.0, 0.5, 1e4], "quantities": list(QUANTITIES)} | changes


@pytest.mark.parametrize("task", TASKS)
def test_returned_seeds_reproduce_the_answer(service, task):
    response = post(service, whole(task))
    drawn = response.json()
    seeds = drawn["seed"], drawn["task_seed"]
    assert all(isinstance(seed, int) and 0 <= seed < 2**53 for seed in seeds)
    given = put(put(whole(task), "network.seed", seeds[0]), "task.seed", seeds[1])
    again = post(service, given)
    assert again.headers["x-cache"] == "hit"
    assert again.content == response.content
    for seeded in (put(given, "network.seed", None), put(given, "task.seed", None)):
        partly = post(service, seeded).json()
        assert (partly["seed"] == seeds[0]) != (partly["task_seed"] == seeds[1])


def test_every_request_without_seeds_has_new_seeds(service):
    answers = [ask(service, whole()) for _ in range(4)]
    for name in ("key", "seed", "task_seed"):
        assert len({answer[name] for answer in answers}) == 4
    outputs = [answer["quantities"]["output"] for answer in answers]
    assert not np.allclose(outputs[0][0], outputs[1][0])
    assert not np.allclose(outputs[0][-1], outputs[1][-1])


def test_requests_without_random_numbers_have_no_seed(service):
    answer = ask(service, document("weights", "correlation"))
    assert (answer["seed"], answer["task_seed"]) == (None, None)
    answer = ask(service, document("balanced", "correlation"))
    assert (answer["seed"], answer["task_seed"]) == (7, None)


def test_the_same_body_gives_the_same_answer_on_another_service(service, small):
    given = put(put(whole(), "network.seed", 1), "task.seed", 2)
    one, other = post(service, given), post(small, given)
    assert (one.headers["x-cache"], other.headers["x-cache"]) == ("miss", "miss")
    assert one.content == other.content


def test_the_largest_seeds_are_accepted(service):
    outputs = [
        ask(service, put(put(whole(), "network.seed", seed), "task.seed", 0))["quantities"]["output"]
        for seed in (0, 2**32, 2**53 - 1)
    ]
    assert not np.allclose(outputs[0][0], outputs[1][0])
    assert not np.allclose(outputs[0][0], outputs[2][0])
    assert np.allclose(outputs[0][-1], outputs[1][-1], atol=1e-6)


def test_seeds_of_task_and_network_are_independent(service):
    """The same task seed gives the same task for any seed of the network, and conversely."""

    def ends(network_seed, task_seed):
        output = ask(service, put(put(whole(), "network.seed", network_seed), "task.seed", task_seed))["quantities"]
        return output["output"][0], output["output"][-1]

    (w_11, s_11), (w_12, s_12), (w_21, s_21) = ends(1, 1), ends(1, 2), ends(2, 1)
    assert np.allclose(w_11, w_12, rtol=1e-12, atol=0)
    assert not np.allclose(s_11, s_12)
    assert np.allclose(s_11, s_21, atol=1e-9)
    assert not np.allclose(w_11, w_21)


def test_equal_seeds_of_network_and_task_draw_independently(service):
    """With width one and one sample, equal streams would always give the network and the task equal signs."""
    agree = []
    for seed in range(24):
        request = {
            "network": {"kind": "balanced", "dims": [1, 1, 1], "lambda": 0.0, "seed": seed},
            "task": {"kind": "regression", "samples": 1, "seed": seed},
            "times": [0.0],
            "quantities": ["mode_strengths"],
        }
        agree.append(ask(service, request)["quantities"]["mode_strengths"][0, 0] > 0)
    assert 4 <= sum(agree) <= 20
