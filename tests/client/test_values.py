"""Containers of numbers of all libraries are sent as numbers; other values are refused by name."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from pydantic import TypeAdapter

import lindyn
from lindyn import _endpoints
from lindyn.arrays import as_tree
from lindyn.wire import npz
from lindyn.wire.array import Matrix
from lindyn.wire.document import graft
from lindyn.wire.method import FlowMethod
from lindyn.wire.network import Network
from lindyn.wire.tree import split

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
MASKED = np.ma.masked_greater(np.diag([3.0, 2.0, 99.0]), 50)
NETWORK = lindyn.balanced([2, 2, 2], lam=0.5)


def sent(**request: Any) -> dict[str, Any]:
    """A request as the service parses it."""
    metadata, arrays = split({name: as_tree(name, value) for name, value in request.items()})
    return graft(*npz.unpack(npz.pack(metadata, arrays), largest_bytes=10**6))


def series(values: list[Any], dtype: str) -> pd.Series:
    return pd.Series(values, dtype=dtype)


MATRICES: dict[str, Any] = {
    "lists": MATRIX.tolist(),
    "an array and a list": [MATRIX[0], MATRIX[1].tolist()],
    "a list and an array": [MATRIX[0].tolist(), MATRIX[1]],
    "a tuple of an array and a tuple": (MATRIX[0], (3, 4.0)),
    "arrays of different types": [MATRIX[0].astype(np.int8), MATRIX[1].astype(">f4")],
    "numbers of numpy": [[np.float32(1), np.int8(2)], [np.longdouble(3), np.array(4.0)]],
    "numbers of Python": [[Fraction(1), Decimal("2.0")], [3, 4.0]],
    "column-major": np.asfortranarray(MATRIX),
    "transposed": MATRIX.T.copy().T,
    "strided": np.repeat(np.repeat(MATRIX, 2, 0), 3, 1)[::2, ::3],
    "reversed": MATRIX[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": MATRIX.astype(">f8"),
    "big-endian integers": MATRIX.astype(">i4"),
    "half": MATRIX.astype(np.float16),
    "single": MATRIX.astype(np.float32),
    "longdouble": MATRIX.astype(np.longdouble),
    "unsigned": MATRIX.astype(np.uint64),
    "read-only": np.broadcast_to(MATRIX, (2, 2)),
    "objects": MATRIX.astype(object),
    "objects of many types": np.array([[1, Fraction(2)], [Decimal(3), np.float32(4)]], dtype=object),
    "objects that are rows": np.array([None, MATRIX[0], MATRIX[1]], dtype=object)[1:],
    "matrix": MATRIX.view(np.matrix),  # without the warning that making one has
    "masked without a mask": np.ma.array(MATRIX),
    "nothing masked": np.ma.array(MATRIX, mask=np.zeros((2, 2), dtype=bool)),
    "masked with nomask": np.ma.array(MATRIX, mask=np.ma.nomask),
    "sparse": scipy.sparse.csr_matrix(MATRIX),
    **{
        f"sparse, {form}": scipy.sparse.csr_array(MATRIX).asformat(form) for form in ("bsr", "coo", "dia", "dok", "lil")
    },
    "frame": pd.DataFrame(MATRIX),
    "frame of integers and floats": pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
    "nullable frame": pd.DataFrame({"a": series([1, 3], "Int64"), "b": series([2.0, 4.0], "Float64")}),
    "nullable and plain": pd.DataFrame({"a": series([1, 3], "Int8"), "b": [2.0, 4.0]}),
    "frame of objects": pd.DataFrame({"a": series([1, Decimal(3)], "object"), "b": [2.0, 4.0]}),
    "sparse frame": pd.DataFrame({"a": pd.arrays.SparseArray([1.0, 3.0]), "b": [2.0, 4.0]}),
    "column of rows": pd.Series([[1.0, 2.0], [3.0, 4.0]]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_of_every_kind(name: str) -> None:
    value = MATRICES[name]
    as_task = sent(task=value)["task"]
    as_weights = lindyn.weights(value, MATRIX)["weights"]
    as_data = lindyn.data(value, value)
    axis = next(iter(sent(axes=[{"values": [value, 2 * MATRIX]}])["axes"]))["values"]
    for found in (as_task, as_weights[0], as_data["inputs"], as_data["targets"], axis[0]):
        np.testing.assert_array_equal(TypeAdapter(Matrix).validate_python(found), MATRIX)
    assert len(axis) == 2
    assert TypeAdapter(Network).validate_python(lindyn.weights(value, MATRIX)).dims == (2, 2, 2)


def test_arrays_among_other_values() -> None:
    """They become lists, which the service refuses with their path."""
    for other in ([1, [2]], [1, 10**400], ["x", 1], 3.0, None, [True, 2]):
        assert sent(task=[np.ones(2), other])["task"] == [[1.0, 1.0], other]


SCALARS = [np.float16(2), np.float32(2), np.float64(2), np.longdouble(2), np.int8(2), np.uint64(2), np.array(2.0)]
SCALARS += [
    np.ma.array(2.0),
    np.array(2, dtype=object),
    Fraction(2),
    Decimal("2"),
    np.array(2, ">i8"),
    np.array(2, ">f4"),
]


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}")
def test_scalars_of_every_kind(value: Any) -> None:
    found = sent(lam=value, nested={"times": [0, value]})
    assert found == {"lam": 2, "nested": {"times": [0, 2]}}
    if not isinstance(value, Fraction | Decimal) and getattr(value, "dtype", np.dtype(float)).kind != "O":
        assert FlowMethod(kind="flow", atol=value).atol == 2


def test_booleans_and_strings_of_numpy() -> None:
    found = sent(aligned=np.bool_(True), off=np.array(False), name=np.str_("exact"), names=np.array(["a", "b"])[0])
    assert found == {"aligned": True, "off": False, "name": "exact", "names": "a"}
    assert found["aligned"] is True


MASKS: dict[str, Any] = {
    "array": MASKED,
    "rows": [np.ma.array([1.0, 2.0], mask=[False, True]), [3.0, 4.0]],
    "row in a tuple": ([3.0, 4.0], np.ma.array([1.0, 2.0], mask=[False, True])),
    "constant": [[1.0, np.ma.masked], [3.0, 4.0]],
    "list of an array": list(np.ma.array([1.0, 2.0], mask=[False, True])),
    "objects": np.ma.array([1, None], mask=[False, True], dtype=object),
    "whole": np.ma.masked_all((2, 2)),
    "integers": np.ma.array([[1, 2], [3, 4]], mask=[[0, 0], [1, 0]]),
    "no dimensions": np.ma.array(1.0, mask=True),
}


@pytest.mark.parametrize("name", MASKS)
def test_masked_entries_are_refused(name: str) -> None:
    """The value behind a mask is unknown."""
    value = MASKS[name]
    places: dict[str, Callable[[], Any]] = {
        "task": lambda: _endpoints.trajectory(network=NETWORK, task=value, times=[0.0]),
        "times": lambda: _endpoints.trajectory(network=NETWORK, task=MATRIX, times=value),
        r"task\.sigma_xx": lambda: _endpoints.limits(
            network=NETWORK, task={"kind": "correlation", "sigma_yx": MATRIX, "sigma_xx": value}
        ),
        r"tasks\.1\.task": lambda: _endpoints.continual(NETWORK, [{"task": MATRIX}, {"task": value}], 5, 1.0),
        r"network\.weights\.1": lambda: _endpoints.initialization(
            {"kind": "weights", "weights": [MATRIX, value]}, None
        ),
        r"weights\.0": lambda: _endpoints.balance([value, MATRIX]),
        r"layers\[1\]": lambda: lindyn.weights(MATRIX, value),
        "inputs": lambda: lindyn.data(value, MATRIX),
        "targets": lambda: lindyn.data(MATRIX, value),
        "singular_values": lambda: lindyn.spectrum(value),
        "labels": lambda: lindyn.one_hot(value),
        r"axes\['task'\]\.0": lambda: _endpoints.sweep({}, {"task": [value, MATRIX]}, ["loss"], 1),
        r"axes\['network.lambda'\]": lambda: _endpoints.sweep({}, {"network.lambda": value}, ["loss"], 1),
        r"base\.task": lambda: _endpoints.sweep({"task": value}, {"network.seed": [1]}, ["loss"], 1),
        "quantiles": lambda: _endpoints.ensemble({}, 2, 0, "network.seed", value),
        r"network\.gain": lambda: _endpoints.trajectory(network=lindyn.random([2, 2, 2], gain=value)),
        r"parameters\.scale": lambda: _endpoints.experiment("figure-3.4", {"scale": value}),
    }
    for path, send in places.items():
        with pytest.raises(lindyn.ArgumentError, match=rf"^{path}[^:]*: .*(masked|no label)"):
            send()


def test_a_masked_scalar_and_models() -> None:
    with pytest.raises(lindyn.ArgumentError, match=r"^network\.lambda: it is masked"):
        _endpoints.trajectory(network=lindyn.balanced([2, 2, 2], lam=np.ma.masked), task=MATRIX, times=[0.0])
    with pytest.raises(lindyn.ArgumentError, match=r"^network\.dims\.1: it is masked"):
        _endpoints.limits(network=lindyn.balanced(np.ma.array([2, 3, 2], mask=[0, 1, 0]), lam=1.0), task=MATRIX)
    with pytest.raises(ValueError, match=r"got a masked entry at \[2, 2\]"):
        TypeAdapter(Matrix).validate_python(MASKED)
    with pytest.raises(ValueError, match="valid number"):
        FlowMethod(kind="flow", atol=np.ma.masked)


def test_errors_of_masks() -> None:
    with pytest.raises(
        lindyn.ArgumentError,
        match=r"^task: 1 entry is masked, the first at \[2, 2\], .* fill it \(array.filled\(...\)\)",
    ) as caught:
        _endpoints.trajectory(network=NETWORK, task=MASKED, times=[0.0])
    assert isinstance(caught.value, lindyn.LindynError | ValueError)
    with pytest.raises(lindyn.ArgumentError, match="4 entries are masked"):
        lindyn.weights(np.ma.masked_all((2, 2)), MATRIX)


FRAMES: dict[str, tuple[Any, str]] = {
    "NA": (pd.DataFrame({"x": [1.0, 2.0], "y": series([1, None], "Int64")}), "row 1 of column 'y'; drop such rows"),
    "NaN": (pd.DataFrame({"x": [1.0, np.nan], "y": [1, 2]}), "row 1 of column 'x'; drop such rows or fill"),
    "text": (pd.DataFrame({"x": [1.0, 2.0], "y": ["1", "2"]}), r"got '1' \(str\) in row 0 of column 'y'"),
    "flags": (pd.DataFrame({"x": [1.0, 2.0], "y": [True, False]}), r"got True \(bool\) in row 0 of column 'y'"),
    "dates": (pd.DataFrame({"x": [1.0, 2.0], "y": pd.to_datetime(["2020", "2021"])}), "in row 0 of column 'y'"),
    "categories": (pd.DataFrame({"x": [1.0, 2.0], "y": pd.Categorical(["a", "b"])}), "in row 0 of column 'y'"),
    "only text": (pd.DataFrame({"x": ["a", "b"]}), "row 0 of column 'x'"),
    "only dates": (pd.DataFrame({"x": pd.to_datetime(["2020", "2021"])}), "got an array of datetime64"),
    "integer name": (pd.DataFrame({0: [1.0], 7: ["a"]}), "row 0 of column 7"),
    "two levels": (pd.DataFrame([[1, "a"]], columns=pd.MultiIndex.from_tuples([(0, 1), (2, 3)])), r"column \("),
    "objects": (np.array([[1, None], [2, 3]], dtype=object), r"got None \(NoneType\) at \[0, 1\], expected numbers"),
    "text among objects": (np.array([[1, "x"], [2, 3]], dtype=object), r"got 'x' \(str\) at \[0, 1\]"),
    "text in lists": ([["1", "2"]], r"got '1' \(str\) at \[0, 0\]"),
    "flags in lists": ([[1.0, True]], r"got True \(bool\) at \[0, 1\]"),
    "parts in lists": ([[1.0, {"a": 1}]], r"got \{'a': 1\} \(dict\) at \[0, 1\]"),
    "lists": ([[1, None], [2, 3]], r"got None \(NoneType\) at \[0, 1\]"),
    "ragged": ([[1, 2], [3]], "got rows of different lengths"),
    "ragged arrays": ([np.ones(2), np.ones(3)], "got rows of different lengths"),
    "ragged objects": (np.array([np.ones(2), np.ones(3)], dtype=object), "got rows of different lengths"),
    "huge": ([[10**400, 1]], "got an integer beyond float64"),
    "huge objects": (np.array([[10**400, 1]], dtype=object), "got an integer beyond float64"),
    "records": (np.zeros(2, dtype=[("a", "f8")]), r"got an array of \[\('a'"),
    "bytes": (np.array([b"1"]), "got an array of "),
    "NA in a list": ([[1.0, pd.NA]], "got <NA>, which is no value"),
    "NaT in a list": ([[1.0, pd.NaT]], "got NaT, which is no value"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_and_objects_without_numbers(name: str) -> None:
    value, says = FRAMES[name]
    with pytest.raises(lindyn.ArgumentError, match=f"^inputs[^:]*: .*({says})"):
        lindyn.data(value, MATRIX)
    with pytest.raises(lindyn.ArgumentError, match=rf"^layers\[0\][^:]*: .*({says})"):
        lindyn.weights(value)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (series([1, None], "Int64"), "1 entry is without a value, the first in row 1"),
        (pd.array([None, 1.0], dtype="Float64"), "1 entry is without a value, the first in row 0"),
        (pd.Index([1.0, None]), "1 entry is without a value"),
        ((x for x in [1.0]), "a value of type generator is not JSON serializable; pass numbers, text, lists or arrays"),
        ({1.0}, "type set is not JSON"),
        (b"0", "type bytes"),
        (date(2020, 1, 1), "type date"),
        (np.datetime64("2020"), "type datetime64"),
        (1 + 2j, "type complex"),
        (np.complex64(1), "type complex64"),
        ([np.array([1j]), "x"], "type complex"),
        ({1: 2}, "got 1 as the name of a field"),
        (Decimal("sNaN"), r"got Decimal\('sNaN'\), which is no number"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_cannot_be_sent_are_named(times: Any, says: str) -> None:
    with pytest.raises(lindyn.ArgumentError, match=rf"^times[^:]*: .*{says}"):
        _endpoints.trajectory(network=NETWORK, task=MATRIX, times=times)


def test_columns_of_targets() -> None:
    for floats in (series([1.5, 2.0], "Float64"), series([1.5, Fraction(2)], "object"), [1.5, 2.0]):
        assert lindyn.data(MATRIX, floats)["targets"].tolist() == [[1.5], [2.0]]
    for labels in (series([1, 2], "Int64"), ["a", "b"], series(["a", "b"], "object"), [True, False]):
        with pytest.raises(lindyn.ArgumentError, match=r"look like labels of classes; use\s+lindyn.one_hot"):
            lindyn.data(MATRIX, labels)
    with pytest.raises(lindyn.ArgumentError, match=r"^targets: 1 entry is without a value"):
        lindyn.data(MATRIX, series([1.5, None], "Float64"))


def test_axes_of_many_kinds() -> None:
    def values(given: Any) -> list[Any]:
        return sent(axes=[{"values": _endpoints._axis_values("a", given)}])["axes"][0]["values"]

    for given in (range(3), (0, 1, 2), np.arange(3), np.arange(3.0, dtype=">f4"), series([0, 1, 2], "Int64")):
        assert values(given) == [0, 1, 2]
    assert values({7}) == values(iter([7])) == values({7: None}.keys()) == [7]
    assert values(np.array(["exact", "flow"])) == ["exact", "flow"]
    assert values(["exact", {"kind": "flow", "rtol": np.float32(0.5)}]) == ["exact", {"kind": "flow", "rtol": 0.5}]
    assert values(np.array(["exact", {"kind": "flow"}], dtype=object)) == ["exact", {"kind": "flow"}]
    assert values([FlowMethod(kind="flow"), "exact"])[0]["kind"] == "flow"
    assert values([MATRIX, {"kind": "semantic"}, None]) == [MATRIX.tolist(), {"kind": "semantic"}, None]
    unlike = values([np.ones(2), np.ones(3)])
    assert [list(each) for each in unlike] == [[1, 1], [1, 1, 1]]
    layers = values([[MATRIX, 2 * MATRIX], [MATRIX, MATRIX.tolist()]])
    np.testing.assert_array_equal(layers, [[MATRIX, 2 * MATRIX], [MATRIX, MATRIX]])
    task = values([{"kind": "correlation", "sigma_yx": MATRIX}, {"kind": "data", "inputs": MATRIX, "targets": MATRIX}])
    np.testing.assert_array_equal(task[1]["targets"], MATRIX)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("exact", "got a str, expected a list of values; for one, a list of it"),
        (1.0, "got a float"),
        (np.array(1.0), "got a ndarray"),
        (None, "got a NoneType"),
        ({"kind": "flow"}, "got a dict"),
        (FlowMethod(kind="flow"), "got a FlowMethod"),
        (series([0.1, None], "Float64"), "1 entry is without a value"),
        (np.array(["2020"], dtype="M8[D]"), "got an array of datetime64"),
    ],
    ids=str,
)
def test_invalid_axes(given: Any, says: str) -> None:
    with pytest.raises(lindyn.ArgumentError, match=rf"^axes\['network.lambda'\]: .*{says}"):
        _endpoints.sweep({}, {"network.lambda": given}, ["loss"], 1)
