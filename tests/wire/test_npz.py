"""Archives: round trips, numpy as reader and writer, and all kinds of damage."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from support.archives import message, npy, npy_header, with_size, zipped

from lindyn.wire.npz import NpzError, pack, unpack

LIMIT = 2**20
META = ("metadata.npy", npy("{}"))

names = st.lists(
    st.sampled_from(["network", "weights", "task", "sigma_yx", "0", "1", "10", "é", "x y"]), min_size=1, max_size=3
).map(".".join)
numbers = arrays_of.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.dtype(">f8")]),
    arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
documents = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=150)
@given(metadata=documents, arrays=st.dictionaries(names, numbers, max_size=5))
def test_round_trip(metadata, arrays):
    read, found = unpack(pack(metadata, arrays), largest_bytes=LIMIT)
    assert read == metadata
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array, equal_nan=True)


def test_long_doubles_are_converted_to_float64():
    """Their bytes differ between processors, though their type has the same name."""
    long = np.array([[1, -2.5], [1 / np.longdouble(3), np.longdouble(10) ** 400]])
    assert long.dtype == np.longdouble
    _, found = unpack(pack({}, {"a": long, "b": long.T}), largest_bytes=LIMIT)
    assert found["a"].dtype == np.float64
    assert np.array_equal(found["a"], [[1, -2.5], [1 / 3, np.inf]])
    assert np.array_equal(found["b"], found["a"].T)


@settings(deadline=None, max_examples=50)
@given(metadata=documents, arrays=st.dictionaries(names, numbers, max_size=5))
def test_numpy_reads_what_we_write(metadata, arrays):
    with np.load(io.BytesIO(pack(metadata, arrays)), allow_pickle=False) as archive:
        assert set(archive.files) == {"metadata", *arrays}
        assert json.loads(str(archive["metadata"])) == metadata
        for name, array in arrays.items():
            assert np.array_equal(archive[name], array, equal_nan=True)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_we_read_what_numpy_writes(write):
    buffer = io.BytesIO()
    weights = {"network.weights.0": np.eye(3)[:, :2], "task.sigma_yx": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    write(buffer, metadata=json.dumps({"times": [0, 1]}), **weights)
    metadata, arrays = unpack(buffer.getvalue(), largest_bytes=LIMIT)
    assert metadata == {"times": [0, 1]}
    assert arrays.keys() == weights.keys()
    for name, array in weights.items():
        assert np.array_equal(arrays[name], array)


def test_the_same_message_has_the_same_bytes():
    one = pack({"a": 1, "b": [0.1]}, {"x": np.arange(3.0), "y": np.eye(2)})
    assert one == pack({"a": 1, "b": [0.1]}, {"x": np.arange(3.0), "y": np.eye(2)})


def test_arrays_of_objects_are_refused():
    with pytest.raises(ValueError, match="allow_pickle"):
        pack({}, {"x": np.array([{}], dtype=object)})


def refusal(archive, **limits):
    with pytest.raises(NpzError) as caught:
        unpack(archive, **{"largest_bytes": LIMIT, **limits})
    return str(caught.value)


def test_a_field_of_the_metadata_that_occurs_twice_is_refused():
    buffer = io.BytesIO()
    np.savez(buffer, metadata=np.array('{"times": [1.0], "times": [2.0]}'))
    assert "in 'metadata', the field 'times' occurs twice" in refusal(buffer.getvalue())


WHOLE = message({"times": [0, 1], "method": "auto"}, network__weights__0=np.arange(6.0), task__sigma_yx=np.eye(2))
DEFLATED = message({"times": [0, 1]}, zipfile.ZIP_DEFLATED, task__sigma_yx=np.eye(9))


@pytest.mark.parametrize("archive", [WHOLE, DEFLATED], ids=["stored", "deflated"])
def test_truncated_archives_are_refused(archive):
    assert unpack(archive, largest_bytes=LIMIT)
    for length in range(len(archive)):
        refusal(archive[:length])


@pytest.mark.parametrize("flip", [0x01, 0x08, 0x80, 0xFF], ids=hex)
@pytest.mark.parametrize("archive", [WHOLE, DEFLATED], ids=["stored", "deflated"])
def test_flipped_bytes_are_detected_or_have_no_effect(archive, flip):
    metadata, arrays = unpack(archive, largest_bytes=LIMIT)
    noticed = 0
    for i in range(len(archive)):
        damaged = bytearray(archive)
        damaged[i] ^= flip
        try:
            found_metadata, found = unpack(bytes(damaged), largest_bytes=LIMIT)
        except NpzError:
            noticed += 1
            continue
        assert found_metadata == metadata
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    # the content is covered by checksums; dates and the like are not
    assert noticed > len(archive) / 2


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(data):
    refusal(data)
    refusal(b"PK\x03\x04" + data)


@settings(deadline=None, max_examples=150)
@given(content=st.binary(max_size=200))
def test_random_bytes_in_an_entry_are_refused(content):
    refusal(zipped([META, ("a.npy", content)]))
    refusal(zipped([META, ("a.npy", b"\x93NUMPY\x01\x00" + content)]))


@settings(deadline=None, max_examples=150)
@given(
    shape=st.lists(st.integers(-(2**64), 2**64) | st.integers(-2, 5), max_size=4).map(tuple),
    descr=st.sampled_from(["<f8", "|O", "|S0", "<U0", "|V0", "|V3", "<c16", "<M8[s]", "|b1", []]),
    content=st.binary(max_size=64),
)
def test_headers_are_refused_or_agree_with_their_entry(shape, descr, content):
    """An accepted array has exactly the bytes of its entry."""
    tracemalloc.start()
    try:
        _, arrays = unpack(zipped([META, ("a.npy", npy_header(shape, descr, content))]), largest_bytes=LIMIT)
        assert arrays["a"].tobytes() == content
        assert arrays["a"].shape == shape
    except NpzError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([("a.npy", npy(np.eye(2)))], "no entry 'metadata'"),
        ([], "no entry 'metadata'"),
        ([("metadata.npy", npy("[1, 2]"))], "must hold a JSON object, got list"),
        ([("metadata.npy", npy("null"))], "must hold a JSON object, got null"),
        ([("metadata.npy", npy(3.5))], "must hold a JSON object, got number"),
        ([("metadata.npy", npy("{"))], "not a readable npz archive (ValueError)"),
        ([("metadata.npy", npy(""))], "not a readable npz archive (ValueError)"),
        ([("metadata.npy", npy(b"{}"))], "not a readable npz archive (ValueError)"),
        ([("metadata.npy", npy(["{}"]))], "not a readable npz archive (ValueError)"),
        ([("metadata.npy", npy('{"a": ' * 20_000))], "not a readable npz archive (ValueError)"),
        ([("metadata.npy", npy(r'{"a": "\ud800"}'))], "not a readable npz archive (ValueError)"),
        ([("metadata.npy", npy('{"a": "\ud800"}'))], "not a readable npz archive (TypeError)"),
        ([("metadata.npy", npy('{"a": 1' + 5000 * "0" + "}"))], "ValueError"),
        ([("metadata.npy", npy_header((), "<U2", b"\xff" * 8))], "holds neither numbers nor text"),
        ([META, ("a.npy", npy_header((), "<U1", b"a\0\0\x40"))], "type <U1 holds neither numbers nor text"),
        ([META, ("a.npy", npy_header((1, 2), ">U1", b"\0\0\0a\0\x11\0\0"))], "type >U1 holds neither numbers nor text"),
        ([META, ("a.npy", npy(np.array([(1, "a")], [("x", "f8"), ("y", "U1")])))], "holds neither numbers nor text"),
        ([("metadata.npy", npy(np.array({}, dtype=object)))], "holds Python objects, which are never read"),
        ([("metadata", b"{}")], "not a readable npz archive"),
        ([META, ("a.npy", npy(np.array([print], dtype=object)))], "entry 'a.npy' of shape (1,) and type object"),
        ([META, ("a.npy", npy_header((1,), "|O", b"8 bytes!"))], "entry 'a.npy' of shape (1,) and type object"),
        ([META, ("a.npy", npy_header((10**12,)))], "entry 'a.npy' of shape (1000000000000,) and type float64"),
        ([META, ("a.npy", npy_header((10**9,), "|S0"))], "entry 'a.npy' of shape (1000000000,)"),
        ([META, ("a.npy", npy_header((10**9,), []))], "entry 'a.npy' of shape (1000000000,)"),
        ([META, ("a.npy", npy_header((2**32, 2**32)))], "does not fit its bytes"),
        ([META, ("a.npy", npy_header((10**300, 10**300)))], "not a readable npz archive"),
        ([META, ("a.npy", npy_header((-1,), content=b"8 bytes!"))], "does not fit its bytes"),
        ([META, ("a.npy", npy_header((-1, -1), content=b"8 bytes!"))], "not a readable npz archive"),
        ([META, ("a.npy", npy_header((2,), content=b"8 bytes!"))], "does not fit its bytes"),
        ([META, ("a.npy", npy_header((1,), content=b"more than 8 bytes"))], "does not fit its bytes"),
        ([META, ("a.npy", npy_header((True,), content=b"8 bytes!"))], "not a readable npz archive"),
        ([META, ("a.npy", b"\x93NUMPY\x03\x00" + npy(1.0)[8:])], "npy version (3, 0), versions 1.0 and 2.0"),
        ([META, ("a.npy", b"\x93NUMPY\x09\x00" + npy(1.0)[8:])], "npy version (9, 0), versions 1.0 and 2.0"),
        ([META, ("a.npy", b"")], "not a readable npz archive"),
        ([META, ("folder/", b"")], "not a readable npz archive"),
        ([META, ("a.npy", npy(1.0)), ("a.npy", npy(2.0))], "entries of the same name"),
        ([META, ("a.npy", npy(1.0)), ("a", npy(2.0))], "entries of the same name"),
        ([META, META], "entries of the same name"),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, str) else "",
)
def test_damaged_entries_are_refused(entries, text):
    assert text in refusal(zipped(entries))


def test_npy_version_2_is_read():
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.eye(2), version=(2, 0))
    _, arrays = unpack(zipped([META, ("a.npy", buffer.getvalue())]), largest_bytes=LIMIT)
    assert np.array_equal(arrays["a"], np.eye(2))


def test_encrypted_entries():
    archive = bytearray(zipped([META]))
    archive[archive.index(b"PK\x03\x04") + 6] |= 1
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    assert "RuntimeError" in refusal(bytes(archive))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_compressions_without_a_bound_are_not_expanded(compression):
    assert "entry 'metadata.npy' is neither stored nor deflated" in refusal(zipped([META], compression))


def test_comments_on_entries():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("metadata.npy")
        entry.comment = b"hello"
        archive.writestr(entry, META[1])
    assert "comments on entries" in refusal(buffer.getvalue())


def test_unknown_compressions_are_refused():
    archive = zipped([META])
    local, central = archive.index(b"PK\x03\x04") + 8, archive.index(b"PK\x01\x02") + 10
    damaged = bytearray(archive)
    for place in (local, central):
        damaged[place : place + 2] = struct.pack("<H", 99)
    assert "neither stored nor deflated" in refusal(bytes(damaged))


ZEROS = npy(np.zeros(2**20))  # 8 MiB, deflated to 8 kiB


def peak_of_refusal(archive):
    tracemalloc.start()
    try:
        text = refusal(archive)
        return text, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("claimed", [len(ZEROS), 1000], ids=["honest", "lying"])
def test_decompression_bombs_are_not_expanded(compression, claimed):
    bomb = with_size(zipped([META, ("a.npy", ZEROS)], compression), len(ZEROS), claimed)
    text, peak = peak_of_refusal(bomb)
    assert peak < 2**18
    if claimed > LIMIT:
        assert f"2 entries of {len(META[1]) + claimed} bytes in all, at most 256 entries and {LIMIT} bytes" in text


def test_an_array_that_ends_early():
    """Header and directory agree on a size that the deflated entry does not have."""
    entry = npy_header((4000,), content=bytes(8 * 3000))
    archive = with_size(zipped([META, ("a.npy", entry)], zipfile.ZIP_DEFLATED), len(entry), len(entry) + 8 * 1000)
    assert "ends after 24000 of 32000 bytes" in refusal(archive)


def test_the_limit_applies_to_the_sum_of_all_entries():
    entries = [META, *((f"{i}.npy", ZEROS[: 2**17]) for i in range(8))]
    assert "9 entries of" in refusal(zipped(entries, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("kind", ["i1", "u1", "f2", "?"])
def test_numbers_count_with_their_size_as_float64(kind):
    """They may become eight times as large."""
    entry = npy(np.ones((2, 200_000), kind))
    assert len(entry) < LIMIT
    text, peak = peak_of_refusal(zipped([META, ("a.npy", entry)], zipfile.ZIP_DEFLATED))
    assert "takes 3200000 bytes as float64" in text
    assert peak < 2**18


def test_the_limit_applies_to_the_sum_of_all_arrays():
    entries = [(f"{i}.npy", npy(np.ones(2**15, "i1"))) for i in range(5)]  # of 2**18 bytes each as float64
    assert "as float64" in refusal(zipped([META, *entries], zipfile.ZIP_DEFLATED))
    assert len(unpack(zipped([META, *entries[:3]], zipfile.ZIP_DEFLATED), largest_bytes=LIMIT)[1]) == 3


def test_parts_of_the_metadata_are_bounded():
    """Parsing takes microseconds for each part, and parts compress well."""
    text = '{"a": [' + "[]," * 5_000 + "[]]}"
    archive = zipped([("metadata.npy", npy(text))], zipfile.ZIP_DEFLATED)
    assert "has 5004 arrays, objects and fields, at most 5003 are read" in refusal(archive, max_parts=5003)
    assert len(unpack(archive, largest_bytes=LIMIT, max_parts=5004)[0]["a"]) == 5_001


def test_limits_are_inclusive():
    archive = zipped([META, ("a.npy", npy(1.0)), ("b.npy", npy(2.0))])
    size = len(META[1]) + 2 * len(npy(1.0))
    assert unpack(archive, largest_bytes=size, max_entries=3)[1].keys() == {"a", "b"}
    assert f"at most 3 entries and {size - 1} bytes" in refusal(archive, largest_bytes=size - 1, max_entries=3)
    assert "3 entries" in refusal(archive, largest_bytes=size, max_entries=2)


def test_at_most_256_entries_are_read():
    entries = [(f"{i}.npy", npy(1.0)) for i in range(255)]
    assert len(unpack(zipped([META, *entries]), largest_bytes=LIMIT)[1]) == 255
    assert "at most 256 entries" in refusal(zipped([META, *entries, ("more.npy", npy(1.0))]))


def test_entries_need_no_suffix():
    _, arrays = unpack(zipped([("metadata", npy("{}")), ("task.sigma_yx", npy(np.eye(2)))]), largest_bytes=LIMIT)
    assert arrays.keys() == {"task.sigma_yx"}
