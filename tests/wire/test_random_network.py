"""Random networks: any depth, one gain or one for each layer."""

import numpy as np
import pytest
from support import rules
from support.documents import NETWORKS, document
from support.rules import MISSING, NOT_INTEGERS, NOT_NUMBERS, as_json

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.network import RandomNetwork
from lindyn.wire.trajectory import TrajectoryRequest

SCHEMES = "'lecun', 'glorot', 'he', 'scaled', 'normal', 'torch'"
WHOLE = {"kind": "random", "dims": [2, 3, 4, 2], "scheme": "he", "gain": [0.5, 1.0, 2.0], "seed": 7}


def broken(path, value):
    return rules.broken(TrajectoryRequest, document() | {"network": rules.changed(WHOLE, path, value)}, conflicts)


def taken(**changes):
    return read(TrajectoryRequest, document() | {"network": WHOLE | changes}, conflicts).network


@pytest.mark.parametrize(
    ("gain", "gains"),
    [
        (2, [2.0] * 3),
        (0.5, [0.5] * 3),
        (0, [0.0] * 3),
        ([3], [3.0] * 3),
        ([0, 1, 1e70], [0.0, 1.0, 1e70]),
        ((1, 2, 3), [1.0, 2.0, 3.0]),
        (np.array([1, 2, 3]), [1.0, 2.0, 3.0]),
        (np.array(2.0), [2.0] * 3),
        (np.float32(0.5), [0.5] * 3),
        ([np.float64(1), np.int8(2), np.array(3)], [1.0, 2.0, 3.0]),
    ],
    ids=repr,
)
def test_gains(gain, gains):
    network = taken(gain=gain)
    assert network.gains == gains
    assert all(type(each) is float for each in network.gains)


@pytest.mark.parametrize("depth", [2, 3, 64])
def test_defaults(depth):
    short = {"kind": "random", "dims": [2] * (depth + 1), "scheme": "normal"}
    request = read(TrajectoryRequest, document() | {"network": short}, conflicts)
    assert (request.network.gain, request.network.seed) == ([1.0], None)
    assert request.network.gains == [1.0] * depth
    assert request.dims == (2,) * (depth + 1)


def test_model_instances_are_accepted():
    network = RandomNetwork(kind="random", dims=[2, 3, 2], scheme="he", gain=2.0)
    assert read(TrajectoryRequest, document() | {"network": network}).network == network


@pytest.mark.parametrize(
    "value", [True, "x", "1", None, {}, {"gain": 1}, b"1", 1j, float("nan"), float("inf"), 10**400, -1, 1.5e70], ids=str
)
def test_errors_of_a_single_gain_have_its_path(value):
    """A number stands for a list, so that errors have no index."""
    errors = broken("gain", value)
    assert set(errors) == {"network.gain"}
    assert f"got {as_json(value)}" in errors["network.gain"] or "more than 80 digits" in errors["network.gain"]


@pytest.mark.parametrize(("value", "text"), NOT_NUMBERS[1:], ids=lambda value: str(value)[:20])
def test_errors_of_a_gain_in_a_list_have_its_index(value, text):
    errors = broken("gain.1", value)
    assert set(errors) == {"network.gain.1"}
    assert text in errors["network.gain.1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "got 0 entries, expected at least 1"),
        (np.zeros(0), "got 0 entries, expected at least 1"),
        ([1.0] * 65, "got 65 entries, expected at most 64"),
        ([1, 2], "got 2 entries and a network of 3 layers; give one for each, or one number"),
        ([1] * 4, "got 4 entries and a network of 3 layers; give one for each, or one number"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_numbers_of_gains(value, text):
    assert broken("gain", value) == {"network.gain": text}


def test_the_number_of_gains_is_not_checked_for_invalid_widths():
    whole = document() | {"network": WHOLE | {"dims": [2, 0, 2], "gain": [1] * 5}}
    assert set(rules.broken(TrajectoryRequest, whole)) == {"network.dims.1"}


def test_negative_gains_are_refused():
    assert broken("gain", -1) == {"network.gain": "got -1, expected at least 0"}
    assert broken("gain.2", -0.5) == {"network.gain.2": "got -0.5, expected at least 0"}


@pytest.mark.parametrize(
    ("value", "where", "text"),
    [
        ([2], "network.dims", "got 1 entry, expected at least 2"),
        ([2] * 66, "network.dims", "got 66 entries, expected at most 65"),
        ([], "network.dims", "got 0 entries, expected at least 2"),
        ("222", "network.dims", "got '222', expected a list"),
        (2, "network.dims", "got 2, expected a list"),
        (None, "network.dims", "got null, expected a list"),
        (MISSING, "network.dims", "this field is required"),
        ([2, 0, 2], "network.dims.1", "got 0, expected at least 1"),
        ([2, 3, 100_001], "network.dims.2", "got 100001, expected at most 100000"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_dims(value, where, text):
    errors = broken("dims", value)
    assert set(errors) == {where}
    assert text in errors[where]


@pytest.mark.parametrize("path", ["dims.2", "seed"])
@pytest.mark.parametrize(("value", "text"), NOT_INTEGERS, ids=lambda value: str(value)[:20])
def test_integers(path, value, text):
    if path == "seed" and value is None:
        assert taken(seed=None).seed is None
    else:
        errors = broken(path, value)
        assert set(errors) == {f"network.{path}"}
        assert text in errors[f"network.{path}"]


@pytest.mark.parametrize(
    ("value", "near"), [("xavier", None), ("LeCun", "lecun"), ("glorott", "glorot"), (None, None), (3, None)]
)
def test_schemes(value, near):
    choices = f", allowed are {SCHEMES}" if near is None else f", did you mean '{near}'? Allowed are {SCHEMES}"
    assert broken("scheme", value) == {"network.scheme": f"got {as_json(value)}{choices}"}
    assert broken("scheme", MISSING) == {"network.scheme": "this field is required"}
    for known in ("lecun", "glorot", "he", "scaled", "normal", "torch"):
        assert taken(scheme=known).scheme == known


@pytest.mark.parametrize(
    ("field", "near"), [("lambda", None), ("scale", None), ("aligned", None), ("weights", None), ("gains", "gain")]
)
def test_fields_of_other_networks_are_unknown(field, near):
    names = "'kind', 'dims', 'scheme', 'gain', 'seed'"
    choices = f", allowed are {names}" if near is None else f", did you mean '{near}'? Allowed are {names}"
    assert broken(field, 1) == {f"network.{field}": f"this field is unknown{choices}"}


def test_a_task_must_fit_the_outer_widths():
    whole = document(task="semantic") | {"network": WHOLE | {"dims": [4, 3, 3, 2]}}
    assert set(rules.broken(TrajectoryRequest, whole, conflicts)) == {"task.levels"}
    assert read(TrajectoryRequest, document("random", "semantic"), conflicts).dims == tuple(NETWORKS["random"]["dims"])
