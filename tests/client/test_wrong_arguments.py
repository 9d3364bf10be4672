"""Arguments of wrong types and values: an error of lindyn names the argument, what it got and what it expects."""

import numpy as np
import pytest

import lindyn

NETWORK = lindyn.balanced([2, 2, 2], lam=1.0, seed=1)
TASK = lindyn.spectrum([2.0, 1.0], seed=1)
BASE = {"network": NETWORK, "task": TASK}
CURVE = {"quantity": "loss", "times": [1.0, 2.0], "values": [1.0, 0.5], "sigma": 0.1}


@pytest.fixture
def client():
    """A client of a service that is never asked: all of these are refused before."""
    with lindyn.Client("http://127.0.0.1:1", patience_seconds=0) as client:
        yield client


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"observations": None}, "observations: got a value of type NoneType, expected a list"),
        ({"observations": 3}, "observations: got a value of type int, expected a list"),
        ({"free": None}, "free: got a value of type NoneType, expected a list"),
        ({"free": "network.lambda"}, "free: got a value of type str, expected a list"),
        ({"models": None}, "models: got a value of type NoneType, expected a list"),
        ({"models": 3}, "models: got a value of type int, expected a list"),
        ({"models": "reach"}, "models: got 'reach', did you mean 'rich'"),
        ({"base": None, "models": "lazy"}, "made from a balanced network, and a network of kind None"),
        ({"base": {"network": np.eye(2)}, "models": ["lazy"]}, "a network of kind None"),
        ({"base": {"network": {"kind": "balanced", "dims": "abc"}}, "models": ["lazy"]}, "of kind 'balanced'"),
        ({"base": {"network": {"kind": "balanced", "dims": None}}, "models": ["lazy"]}, "of kind 'balanced'"),
        ({"base": {"network": {"kind": "balanced", "dims": 3}}, "models": ["lazy"]}, "of kind 'balanced'"),
    ],
    ids=str,
)
def test_fits(client, change, text):
    with pytest.raises(lindyn.ArgumentError, match=text):
        client.fit(**({"base": BASE, "observations": CURVE, "free": {"network.lambda": (0.1, 9)}} | change))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"learning_rate": "fast"}, "learning_rate: got 'fast', expected a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate: got nan, expected a positive number"),
        ({"learning_rate": None}, "learning_rate: got None, expected a positive number"),
        ({"steps": "10"}, "steps: got '10', expected a whole number of at least 1"),
        ({"steps": 2.5}, "steps: got 2.5, expected a whole number of at least 1"),
        ({"num": None}, "num: got None, expected a whole number of at least 1"),
    ],
    ids=str,
)
def test_comparisons(client, change, text):
    with pytest.raises(lindyn.ArgumentError, match=text):
        client.compare(**({"network": NETWORK, "task": TASK, "learning_rate": 0.1, "steps": 10} | change))


@pytest.mark.parametrize("network", [NETWORK, {}])
def test_balances_of_networks_without_weights(client, network):
    with pytest.raises(lindyn.ArgumentError, match=r"got a network of kind .*, expected matrices"):
        client.balance(network)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"w": np.ones(3)}, "w: got 1 dimensions, expected 2"),
        ({"samples": 0}, "samples: got 0, expected a whole number of at least 1"),
        ({"samples": 2.5}, "samples: got 2.5, expected a whole number"),
        ({"held_out": "x"}, "held_out: got 'x', expected a whole number"),
        ({"seed": -1}, "seed: got -1, expected a whole number of at least 0"),
        ({"seed": "x"}, "seed: got 'x', expected a whole number"),
        ({"noise": -1.0}, "noise: got -1.0, expected a standard deviation of at least 0"),
        ({"noise": float("nan")}, "noise: got nan, expected a standard deviation"),
    ],
    ids=str,
)
def test_teachers(change, text):
    with pytest.raises(lindyn.ArgumentError, match=text):
        lindyn.teacher(**({"w": np.eye(3), "samples": 3} | change))


@pytest.mark.parametrize("kind", [lindyn.Client, lindyn.AsyncClient])
@pytest.mark.parametrize("seconds", ["x", float("nan"), float("inf"), -1, None])
def test_times_of_clients(kind, seconds):
    with pytest.raises(lindyn.ConfigurationError, match=r"timeout_seconds: got .*, expected a number"):
        kind("http://127.0.0.1:1", timeout_seconds=seconds)
    with pytest.raises(lindyn.ConfigurationError, match=r"patience_seconds: got .*, expected a number"):
        kind("http://127.0.0.1:1", patience_seconds=seconds)


def test_a_timeout_of_no_time():
    with pytest.raises(lindyn.ConfigurationError, match="above 0"):
        lindyn.Client("http://127.0.0.1:1", timeout_seconds=0)


@pytest.mark.parametrize("name", ["host", "port", "socket", "descriptor", "process", "processes", "stop_with_stdin"])
def test_settings_that_a_private_service_does_not_have(name):
    """It listens on its own socket, so that they had no effect."""
    with pytest.raises(lindyn.ArgumentError, match=f"{name}: a private service is one process with"):
        lindyn.Client.local(**{name: 2})
