"""Estimates against what answers really hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lindyn.wire import npz
from lindyn.wire.document import read
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.methods.cost import estimate
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory


def numbers(quantities):
    return sum(map(numbers, quantities.values())) if isinstance(quantities, dict) else np.size(quantities)


@settings(deadline=None, max_examples=60)
@given(
    dims=st.tuples(*[st.integers(1, 6)] * 3),
    n_times=st.integers(1, 5),
    quantities=st.lists(st.sampled_from(QUANTITIES), min_size=1, unique=True),
)
def test_numbers_of_an_answer(dims, n_times, quantities):
    n_in, n_hidden, n_out = dims
    request = read(
        TrajectoryRequest,
        {
            "network": {"kind": "balanced", "dims": list(dims), "lambda": 0.0, "seed": 1},
            "task": np.ones((n_out, n_in)),
            "times": np.arange(float(n_times)),
            "quantities": quantities,
        },
    )
    metadata, arrays = npz.unpack(encode(trajectory(request, ""), "npz"), largest_bytes=2**20)
    assert estimate(dims, n_times, quantities).numbers == numbers(arrays)
    assert metadata["dims"] == [n_in, n_hidden, n_out]


@pytest.mark.parametrize("name", QUANTITIES)
def test_more_of_anything_never_costs_less(name):
    base = estimate((4, 3, 5), 10, [name], 100)
    for more in (
        estimate((8, 3, 5), 10, [name], 100),
        estimate((4, 6, 5), 10, [name], 100),
        estimate((4, 3, 10), 10, [name], 100),
        estimate((4, 3, 5), 20, [name], 100),
        estimate((4, 3, 5), 10, [name], 200),
        estimate((4, 3, 5), 10, [name, "qqt" if name != "qqt" else "output"], 100),
    ):
        assert more.flops >= base.flops
        assert more.numbers >= base.numbers
        assert more.work_numbers >= base.work_numbers
        assert more != base


def test_samples_cost_memory():
    """Inputs and targets, and the factors of the inputs: at least as many numbers as the data have."""
    assert estimate((50, 5, 50), 1, ["loss"], 10**6).work_numbers >= 10**8
