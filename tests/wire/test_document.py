"""Trees from metadata and arrays, and paths of errors in them."""

import tracemalloc

import numpy as np
import pytest
from pydantic import BaseModel
from support.documents import document

from lindyn.wire.base import LARGEST
from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import InvalidDocumentError, graft, read
from lindyn.wire.trajectory import TrajectoryRequest

A, B, C = np.zeros(1), np.ones(2), np.full(3, 2.0)


@pytest.mark.parametrize(
    ("metadata", "arrays", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"b": A}, {"a": 1, "b": A}),
        ({"a": 1}, {"b.c.d": A}, {"a": 1, "b": {"c": {"d": A}}}),
        ({"a": {"b": 1}}, {"a.c": A}, {"a": {"b": 1, "c": A}}),
        ({}, {"w.0": A, "w.1": B}, {"w": [A, B]}),
        ({}, {"w.1": B, "w.0": A}, {"w": [A, B]}),
        ({}, {f"w.{i}": A for i in range(12)}, {"w": [A] * 12}),
        ({"w": [[1.0]]}, {"w.1": A}, {"w": [[1.0], A]}),
        ({"tasks": [{"n": 1}, {"n": 2}]}, {"tasks.1.x": A}, {"tasks": [{"n": 1}, {"n": 2, "x": A}]}),
        ({"tasks": [{}]}, {"tasks.0.w.0": A, "tasks.0.w.1": B}, {"tasks": [{"w": [A, B]}]}),
        ({"tasks": [[], [1]]}, {"tasks.0.0": A, "tasks.1.1": B}, {"tasks": [[A], [1, B]]}),
        ({"a": None}, {"a": A}, {"a": A}),
        ({"a": {"7": 1}}, {"a.7": A}, {"a": {"7": A}}),
        ({}, {"": A}, {"": A}),
        ({}, {"a..b": A}, {"a": {"": {"b": A}}}),
    ],
    ids=str,
)
def test_arrays_are_put_at_their_paths(metadata, arrays, expected):
    assert same(graft(metadata, arrays), expected)


def same(one, other):
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is other
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize(
    ("metadata", "paths", "wrong", "text"),
    [
        ({}, ["w.1"], "w.1", "skips an index"),
        ({}, ["w.0", "w.2"], "w.2", "skips an index"),
        ({"w": [1, 2]}, ["w.1"], "w.1", "skips an index"),
        ({"w": []}, ["w.first"], "w.first", "does not fit the metadata"),
        ({"w": []}, ["w.-1"], "w.-1", "does not fit the metadata"),
        ({"w": []}, ["w." + "9" * 5000], "w." + "9" * 75 + "...", "does not fit the metadata"),
        ({"w": [{}]}, ["w." + "9" * 5000 + ".x"], "w." + "9" * 75 + "...", "no such part"),
        ({"w": []}, ["w.0.x"], "w.0.x", "no such part"),
        ({"w": []}, ["w.x.y"], "w.x.y", "no such part"),
        ({}, ["w.0.0.x"], "w.0.0.x", "no such part"),
        ({"a": 3}, ["a.b"], "a.b", "does not fit the metadata"),
        ({"a": 3}, ["a.b.c"], "a.b.c", "no such part"),
        ({"a": None}, ["a.0"], "a.0", "does not fit the metadata"),
        ({"a": "text"}, ["a.0"], "a.0", "does not fit the metadata"),
        ({"a": [3]}, ["a.0.b"], "a.0.b", "does not fit the metadata"),
        ({}, ["a", "a.0"], "a.0", "does not fit the metadata"),
        ({}, ["a", "a.b.c"], "a.b.c", "no such part"),
        ({}, ["w.0", "w.x"], "w.x", "does not fit the metadata"),
        ({}, ["w.0", "w.00"], "w.00", "skips an index"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_paths(metadata, paths, wrong, text):
    with pytest.raises(InvalidDocumentError) as caught:
        graft(metadata, dict.fromkeys(paths, A))
    ((path, detail),) = caught.value.errors
    assert path == wrong
    assert text in detail


def test_deep_paths():
    tree = graft({}, {".".join(30_000 * "a"): A})
    with pytest.raises(InvalidDocumentError) as caught:
        read(TrajectoryRequest, tree)
    assert any(path == "a" and text.startswith("this field is unknown") for path, text in caught.value.errors)


def test_an_archive_is_the_same_message_as_json():
    plain = document("weights", "correlation", "list")
    arrays = {
        "network.weights.0": np.array(plain["network"]["weights"].pop(0)),
        "network.weights.1": np.array(plain["network"]["weights"].pop(0)),
        "task.sigma_yx": np.array(plain["task"].pop("sigma_yx")),
        "task.sigma_xx": np.array(plain["task"].pop("sigma_xx")),
        "times": np.array(plain.pop("times")),
    }
    from_archive = read(TrajectoryRequest, graft(plain, arrays), conflicts)
    from_json = read(TrajectoryRequest, document("weights", "correlation", "list"), conflicts)
    assert from_archive.model_dump_json() == from_json.model_dump_json()


def errors_of(whole):
    with pytest.raises(InvalidDocumentError) as caught:
        read(TrajectoryRequest, whole)
    return caught.value.errors


@pytest.mark.parametrize("kind", ["network", "task", "(grid)", "(list)", "weights", "dims"])
def test_a_field_named_like_a_part_of_the_contract(kind):
    whole = document() | {"kind": kind, kind: 1}
    assert dict(errors_of(whole))["kind"].startswith("this field is unknown, allowed are 'network', 'task', 'times', ")
    assert any(path.partition(".")[0] == kind for path, _ in errors_of(whole))


def test_a_field_named_like_its_kind():
    whole = document("balanced")
    whole["network"] |= {"balanced": 1, "dims": [0, 1, 1]}
    assert {path for path, _ in errors_of(whole)} == {"network.balanced", "network.dims.0"}


def test_the_text_of_the_exception_has_all_errors():
    with pytest.raises(InvalidDocumentError, match=r"^method: got 'x', .*; more: this field is unknown, .*'method'$"):
        read(TrajectoryRequest, {**document(method="x"), "more": 1})


def test_at_most_a_hundred_errors_are_listed():
    assert len(errors_of(document() | {f"field {i}": i for i in range(1000)})) == 100


def test_a_million_errors_are_not_described():
    whole = document() | {f"field {i}": i for i in range(1_000_000)}
    tracemalloc.start()
    found = errors_of(whole)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == (("", "got 1000000 errors, more than a reply lists"),)
    assert peak < 2**27  # each described takes more than 700 bytes


def test_values_in_errors_are_shortened():
    for whole in (
        document(method="x" * 10_000),
        document() | {"x" * 10_000: 1},
        document() | {"network": {"kind": "x" * 10_000}},
        document(time_constant=10**4000),
        document(time_constant="\ud800" * 10_000),
    ):
        ((path, detail),) = errors_of(whole)
        assert len(path) <= 80
        assert len(detail) <= 200


def test_names_with_lone_surrogates():
    """Only the metadata of an archive can have them; they are escaped or left out."""
    for whole in (
        document() | {"\ud800": 1},
        document() | {"network": {"kind": "\ud800"}},
        document(method="\ud800"),
        document(quantities=["\ud800"]),
    ):
        for path, detail in errors_of(whole):
            assert f"{path}{detail}".encode()


class Small(BaseModel):
    a: int
    b: int


def test_conflicts_are_checked_only_if_all_fields_are_valid():
    asked = []

    def ordered(message):
        asked.append(message)
        return [("a", f"got {message.a}, b is {message.b}")] if message.a > message.b else []

    assert read(Small, {"a": 1, "b": 2}, ordered) == Small(a=1, b=2)
    assert read(Small, {"a": 3, "b": 2}) == Small(a=3, b=2)
    with pytest.raises(InvalidDocumentError) as caught:
        read(Small, {"a": 3, "b": 2}, ordered)
    assert caught.value.errors == (("a", "got 3, b is 2"),)
    with pytest.raises(InvalidDocumentError) as caught:
        read(Small, {"a": "x", "b": 2}, ordered)
    assert len(asked) == 2


def test_the_largest_number_leaves_room_for_the_loss():
    """Weights, their product and its square are finite: the fourth power of the largest number."""
    assert np.isfinite(np.float64(LARGEST) ** 4)
