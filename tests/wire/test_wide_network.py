"""Wide networks and networks of one layer in requests: fields, defaults, and quantities that they do not have."""

import pytest
from support.documents import EYE, document, message

from lindyn.wire.balance import InitializationRequest
from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.trajectory import TrajectoryRequest

WIDE = {"kind": "wide", "dims": [2, 9, 2], "scheme": "torch"}
ONE = {"kind": "weights", "weights": [EYE]}


def taken(network, **changes):
    return read(TrajectoryRequest, document(**changes) | {"network": network}, conflicts)


def refused(network, **changes):
    with pytest.raises(InvalidDocumentError) as caught:
        taken(network, **changes)
    return dict(caught.value.errors)


def test_defaults():
    network = taken(WIDE).network
    assert (network.start, network.seed, network.gains) == ("zero", 0, [1.0, 1.0])
    assert taken(WIDE | {"seed": 4}).network.seed == 4
    assert taken(WIDE | {"start": "drawn"}).network.seed is None
    assert taken(WIDE | {"gain": [1, 2]}).network.gains == [1.0, 2.0]


def test_one_matrix_is_a_network_of_one_layer():
    assert taken(ONE).dims == (2, 2)
    assert taken({"kind": "random", "dims": [2, 2], "scheme": "torch", "gain": [0.5], "seed": 1}).network.gains == [0.5]
    assert refused({"kind": "random", "dims": [2, 2], "scheme": "he", "gain": [1, 2], "seed": 1}) == {
        "network.gain": "got 2 entries and a network of 1 layer; give one for each, or one number"
    }


@pytest.mark.parametrize(
    ("network", "name", "text"),
    [
        (WIDE, "weights", "kind 'random' for the weights of one draw"),
        (WIDE | {"dims": [2, 3, 2]}, "balance", "at least in + out = 4"),
        (ONE, "qqt", "which is of two layers, and a network of 1"),
        (ONE, "balance", "a network of one layer; leave it out"),
    ],
)
def test_quantities_that_a_network_does_not_have(network, name, text):
    errors = refused(network, quantities=["loss", name])
    assert set(errors) == {"quantities"}
    assert text in errors["quantities"]


def test_wide_networks_have_no_initial_weights():
    with pytest.raises(InvalidDocumentError, match="kind 'random' for those of one draw"):
        read(InitializationRequest, message("initialization", network=WIDE), conflicts)
    read(InitializationRequest, message("initialization", network=ONE), conflicts)
