"""Learning rates, schedules and weight decay as arguments: which fields are sent."""

import json

import numpy as np

from lindyn import _endpoints
from lindyn.wire import npz

BASE = {
    "network": {"kind": "random", "dims": [2, 2, 2], "scheme": "he"},
    "task": [[1.0, 0.0], [0.0, 1.0]],
    "times": [1],
}


def test_defaults_are_not_sent():
    """Services without these fields thus answer."""
    call = _endpoints.trajectory(**BASE, learning_rates=None, schedule=None, weight_decay=0.0)
    assert set(json.loads(call.content)) == {"network", "task", "times"}
    call = _endpoints.limits(
        network=BASE["network"], task=BASE["task"], tolerance=1e-3, time_constant=1.0, weight_decay=0.0
    )
    assert "weight_decay" not in json.loads(call.content)


def test_values_are_sent():
    said = {"learning_rates": [0.5, 2.0], "schedule": {"kind": "cosine", "period": 3.0}, "weight_decay": 0.1}
    sent = json.loads(_endpoints.trajectory(**BASE, **said).content)
    assert {name: sent[name] for name in said} == said
    # the service says what is wrong with these
    sent = json.loads(_endpoints.trajectory(**BASE, learning_rates=[], weight_decay=False).content)
    assert (sent["learning_rates"], sent["weight_decay"]) == ([], False)
    call = _endpoints.limits(network=BASE["network"], task=BASE["task"], weight_decay=0.1)
    assert json.loads(call.content)["weight_decay"] == 0.1


def test_rates_may_be_arrays():
    call = _endpoints.trajectory(**BASE, learning_rates=np.array([0.5, 2.0]), weight_decay=np.float64(0.1))
    metadata, arrays = npz.unpack(call.content, largest_bytes=10_000)
    assert arrays["learning_rates"].tolist() == [0.5, 2.0]
    assert metadata["weight_decay"] == 0.1
