"""Modes of equal strength over HTTP: alignment of their subspace, null and NaN where there is none (docs/theory.md)."""

import numpy as np
import pytest
from support.documents import EYE
from support.service import ask, post

pytestmark = pytest.mark.live

SIDES = ("input", "output")


def hierarchy(lam, hidden=8, **changes):
    """The first task of the explorer, up to a time when all modes are learned."""
    return {
        "network": {"kind": "balanced", "dims": [8, hidden, 8], "lambda": lam, "scale": 0.01, "seed": 11},
        "task": {"kind": "semantic"},
        "times": {"stop": 60, "num": 61},
        "quantities": ["alignment", "mode_strengths"],
    } | changes


@pytest.mark.parametrize("lam", [2.0, 50.0])
def test_the_semantic_hierarchy_is_aligned_when_it_is_learned(service, lam):
    """At large lambda it is learned up to rounding, so that the network has no unique singular vectors."""
    found = ask(service, hierarchy(lam))["quantities"]
    for side in SIDES:
        assert np.allclose(found["alignment"][side][20:], 1, atol=1e-9)
    assert np.allclose(found["mode_strengths"][-1], np.sqrt([8, 8, 4, 4, 2, 2, 2, 2]), atol=1e-9)


def test_four_layers_are_aligned_after_learning(service):
    network = {"kind": "random", "dims": [8] * 5, "scheme": "lecun", "seed": 11}
    found = ask(service, hierarchy(0.0, network=network, times=[0.0, 60.0, 120.0, 200.0, 300.0]))["quantities"]
    for side in SIDES:
        for group in (slice(0, 2), slice(2, 4), slice(4, 8)):
            values = found["alignment"][side][:, group]
            assert np.array_equal(values, np.repeat(values[:, :1], values.shape[1], axis=1))
        assert np.all(found["alignment"][side][0] < 0.95)
        assert np.allclose(found["alignment"][side][1:], 1, atol=1e-4)


@pytest.mark.parametrize("method", ["exact", "flow", {"kind": "descent", "learning_rate": 0.01}], ids=str)
def test_modes_without_a_subspace_have_no_alignment(service, method):
    """Six hidden units have no subspace of the last four modes; a task of rank two has no third mode."""
    found = ask(service, hierarchy(0.0, 6, method=method))["quantities"]["alignment"]
    for side in SIDES:
        assert np.isfinite(found[side][:, :4]).all()
        assert np.isnan(found[side][:, 4:]).all()
    network = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "scale": 0.5, "seed": 4}
    request = {"network": network, "task": np.diag([2.0, 1.0, 0.0]).tolist(), "times": [0.0, 1.0], "method": method}
    found = ask(service, request | {"quantities": ["alignment", "mode_strengths"]})["quantities"]
    for side in SIDES:
        assert np.array_equal(np.isnan(found["alignment"][side]), [[False, False, True]] * 2)
    assert np.array_equal(found["mode_strengths"][:, 2], [0, 0])


def test_undefined_alignments_are_null_in_json_and_nan_in_npz(service):
    request = {
        "network": {"kind": "weights", "weights": [EYE, EYE]},
        "task": [[2.0, 0.0], [0.0, 1.0]],
        "times": [0.0, 1.0],
        "quantities": ["alignment"],
    }
    response = post(service, request)
    assert response.json()["quantities"]["alignment"]["input"][0] == [None, None]  # the identity prefers no mode
    assert np.allclose(response.json()["quantities"]["alignment"]["input"][1], 1)
    for accept in ("json", "npz"):
        found = ask(service, request, accept=accept)["quantities"]["alignment"]
        assert np.array_equal(np.isnan(found["output"]), [[True, True], [False, False]])


def test_inputs_on_a_subspace(service):
    """Two samples of three inputs: one mode is outside their span, where nothing is learned."""
    task = {"kind": "data", "inputs": [[1, 0, 0], [1, 1, 0]], "targets": [[1, 2, 3], [3, 2, 1]], "whiten": True}
    network = {"kind": "balanced", "dims": [3, 2, 3], "lambda": 0.0, "seed": 1}
    for method in ("exact", "flow"):
        request = {"network": network, "task": task, "times": [0.0, 1.0], "quantities": ["alignment"]}
        found = ask(service, request | {"method": method})["quantities"]["alignment"]
        for side in SIDES:
            assert np.array_equal(np.isnan(found[side]), [[False, False, True]] * 2)
