"""Records of points are read as they were written."""

import numpy as np
import pytest

from lindyn_service.translate.point_records import pack_record, unpack_record


@pytest.mark.parametrize("times", [None, np.array([0.0, 0.3])])
def test_numbers_are_kept_to_the_bit(times):
    rng = np.random.default_rng(0)
    values = {"loss": rng.standard_normal(2), "output": rng.standard_normal((2, 3, 1)), "final_loss": 1 / 3}
    record = {"values": values, "warnings": [{"code": "saddle", "detail": "line\nbreak, \u03bb", "modes": [2]}]}
    record |= {} if times is None else {"times": times}
    found = unpack_record(pack_record(record))
    assert found.keys() == record.keys()
    assert found["warnings"] == record["warnings"]
    assert list(found["values"]) == list(values)
    for name, value in values.items():
        assert np.shape(found["values"][name]) == np.shape(value)
        assert np.array_equal(found["values"][name], value)
    assert times is None or np.array_equal(found["times"], times)


def test_numbers_that_are_none_and_empty_arrays():
    values = {"alignment.input": np.array([1.0, np.nan]), "convergence_time": np.nan, "nothing": np.empty((0, 3))}
    found = unpack_record(pack_record({"values": values, "warnings": []}))["values"]
    assert np.array_equal(found["alignment.input"], [1.0, np.nan], equal_nan=True)
    assert np.isnan(found["convergence_time"])
    assert found["nothing"].shape == (0, 3)


def test_a_problem_is_json():
    record = {"problem": {"code": "too-large", "detail": "as \u221e"}}
    packed = pack_record(record)
    assert packed.startswith(b'{"problem":{"code":"too-large"')
    assert unpack_record(packed) == record
