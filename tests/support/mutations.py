"""Random mutations of request bodies for fuzzing, by a seeded generator."""

import copy
import io
import json
import struct
import zipfile
from random import Random
from typing import Any

import numpy as np

from support.archives import npy, zipped
from support.service import as_npz

Json = Any

_LARGE = 30_000  # characters; larger documents are not mutated further

ODD: list[Json] = [
    None, True, False, "", "1", "auto", "\0", "\ud800", "é" * 50, "x" * 5000, "$ref", "__class__", "network.weights.0",
    0, -1, 1, 2, 3, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 0.0, -0.0, 0.5, 1e-320, 1e70, 1.1e70, -1e308,
    float("nan"), float("inf"), -float("inf"), [], {}, [[]], [{}], [None], [0], [[0]], [[[0]]], [1, [2]], [[1, 2], [3]],
    [[1.0, 2.0], [3.0, 4.0]], [True], ["a"], [float("nan")], {"": 1}, {"kind": None}, {"kind": []}, {"kind": "auto"},
    {"kind": "balanced"}, {"kind": "weights", "weights": [[[1]], [[1]]]}, {"num": 1, "stop": 1}, "converged",
]  # fmt: skip
TOKENS = [
    b"NaN", b"-Infinity", b"1e999", b"-0", b"00", b"1.", b"\\ud800", b'"\\u0000"', b"[" * 300, b"]" * 300, b'{"a":'
    * 300, b"//", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b",", b'"', b"{", b"}", b":", b"9" * 5000, b"null",
    b"\xed\xa0\x80",
]  # fmt: skip
TYPES = [
    "<f8", ">f8", "<f4", "<f2", "<i8", "|u1", "|b1", "<c16", "|O", "|V8", "|S0", "<U0", "<U3", "|S4", "<M8[s]",
    "<m8[D]", "(2,)<f8", "<f8,<i4", "{}", "[('a', '<f8')]", "[('a', '|O')]", "<g16", "nonsense",
]  # fmt: skip
SHAPES = [
    (), (0,), (1,), (2, 2), (0, 5), (1, 1, 1), (2**31,), (2**62, 4), (2**64,), (10**30,), (-1,), (-3, -3), (True,),
    (1.5,), ("a",), [2], None, 3, (1,) * 32, (1,) * 65, (2**20, 2**20),
]  # fmt: skip
NAMES = [
    "metadata", "task", "times", "network", "network.weights.0", "network.weights.1", "network.weights.99",
    "task.sigma_yx", "task.inputs", "network.gain", "network.dims", "network.lambda", "task.singular_values",
    "tasks.0.task", "times.stop", "axes.0.values", "base.times", "parameters.lambda", "parameters.seed", "", ".",
    "..", "a..b", "0", "../../x", "/etc/x", "x" * 2000, ".".join("a" * 5000), ".".join("0" * 3000),
    "network.weights." + "9" * 4000, "é", "network.kind", "method", "quantities", "quantities.0", "weights.0",
    "weights.1", "weights", "dims", "seed", "base.network.weights.0",
]  # fmt: skip


def mutated(random: Random, documents: list[dict[str, Json]]) -> tuple[bytes, str]:
    """Mutate one or two of the documents to a body, and return it with its format, json or npz."""
    document, other = (copy.deepcopy(random.choice(documents)) for _ in range(2))
    try:
        for _ in range(random.choice((0, 1, 1, 1, 2, 3, 8))):
            document = _tree(random, document, other)
            if len(_text(document)) > _LARGE:
                break
    except RecursionError:
        return b'{"a":[' * 100_000, "json"
    if random.random() < 0.5:
        return _flat(random, _text(document), _text(other), TOKENS, random.choice((0, 0, 1, 1, 3))), "json"
    archive = _archive(random, document)
    return _flat(random, archive, _text(other), [b"PK\3\4", b"PK\1\2", b"PK\5\6", b"\x93NUMPY"], _damage(random)), "npz"


def _damage(random: Random) -> int:
    return random.choice((0, 0, 0, 1, 1, 2, 5))


def _text(document: Json) -> bytes:
    return json.dumps(document).encode()


def _tree(random: Random, document: Json, other: Json) -> Json:
    """Replace a value, key, length or depth at a random position of a tree."""
    positions = list(_positions(document))
    if not positions:
        return random.choice(ODD)
    parent, name = random.choice(positions)
    match random.randrange(8):
        case 0 | 1 | 2:
            parent[name] = copy.deepcopy(random.choice(ODD))
        case 3:
            del parent[name]
        case 4:
            parent[name] = _deep(random, parent[name])
        case 5:
            elsewhere = list(_positions(other))
            if elsewhere:
                source, there = random.choice(elsewhere)
                parent[name] = copy.deepcopy(source[there])
        case 6 if isinstance(parent, list):
            # copies, since a shared object would change at all positions at the next mutation
            parent[name:name] = [copy.deepcopy(parent[name]) for _ in range(random.choice((1, 2, 50, 300)))]
        case 6 | 7:
            fresh = random.choice(("more", "", "kind", "seed", "lam", "\0", "weights", "x" * 3000, "(grid)", "\ud800"))
            if isinstance(parent, dict):
                parent[fresh] = parent.pop(name) if random.random() < 0.5 else copy.deepcopy(random.choice(ODD))
            else:
                parent[name] = {fresh: parent[name]}
    return document


def _deep(random: Random, value: Json) -> Json:
    as_list = random.random() < 0.5
    for _ in range(random.choice((1, 1, 2, 5, 150, 199, 200, 201, 400))):
        value = [value] if as_list else {random.choice("ab"): value}
    return value


def _positions(node: Json) -> Any:
    for name in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, name
        yield from _positions(node[name])


def _flat(random: Random, body: bytes, other: bytes, tokens: list[bytes], times: int) -> bytes:
    """Flip, remove, repeat, splice or insert bytes."""
    for _ in range(times):
        at = random.randrange(len(body) + 1)
        to = min(len(body), at + random.choice((0, 1, 1, 2, 4, 8, 100)))
        match random.randrange(6):
            case 0:
                body = body[:at]
            case 1:
                body = body[:at] + random.choice(tokens) + body[to:]
            case 2:
                body = body[:at] + random.randbytes(to - at) + body[to:]
            case 3:
                body = body[:at] + body[at:to] * random.choice((0, 2, 50)) + body[to:]
            case 4:
                body = body[:at] + other[random.randrange(len(other) + 1) :]
            case 5 if at < len(body):
                body = body[:at] + bytes([body[at] ^ (1 << random.randrange(8))]) + body[at + 1 :]
    return body


def _archive(random: Random, document: Json) -> bytes:
    """Archive a document as numpy does, or with invalid entries, headers and fields."""
    try:
        archive = as_npz(document)
    except Exception:  # a tree that numpy cannot convert to arrays
        archive = zipped([("metadata.npy", npy(json.dumps(document)))])
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        entries = [(entry.filename, opened.read(entry)) for entry in opened.infolist()]
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        _entry(random, entries)
    compression = random.choice((zipfile.ZIP_DEFLATED,) * 20 + (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    entries = [
        (name.replace("\0", "") or "nameless", content) for name, content in entries
    ]  # zipfile rejects other names
    packed = zipped(entries, compression if random.random() < 0.3 else zipfile.ZIP_STORED)
    return _fields(random, packed) if random.random() < 0.4 else packed


def _entry(random: Random, entries: list[tuple[str, bytes]]) -> None:
    if not entries:
        entries.append((random.choice(NAMES), b""))
        return
    at = random.randrange(len(entries))
    name, content = entries[at]
    match random.randrange(7):
        case 0:
            entries[at] = random.choice(NAMES) + ".npy", content
        case 1:
            entries.append((random.choice(NAMES) + random.choice((".npy", ".txt", ".npy.npy")), content))
        case 2:
            entries[at] = name, npy(np.zeros(random.choice(((), (0,), (1,), (2, 2), (3, 1, 2))), _type(random)))
        case 3:
            entries[at] = name, _header(random)
        case 4:
            entries[at] = name, _flat(random, content, content, [b"\x93NUMPY", b"(", b"'", b"\n", b"L"], 2)
        case 5:
            del entries[at]
        case 6:
            entries[at] = (
                "metadata.npy",
                npy(random.choice(("", "[]", "1", "{", "{}", "null", "NaN", "[" * 100_000, "é"))),
            )


def _type(random: Random) -> np.dtype[Any]:
    return np.dtype(
        random.choice(("f8", ">f8", "f4", "f2", "i8", "u1", "?", "c16", "U3", "S4", "V8", "M8[s]", "m8[D]"))
    )


def _header(random: Random) -> bytes:
    """Build an entry with a random header, valid or not, of any version, and random content."""
    fields = {"descr": random.choice(TYPES), "fortran_order": random.random() < 0.3, "shape": random.choice(SHAPES)}
    text = f"{fields}\n".encode()
    version, length = random.choice((((1, 0), "<H"), ((1, 0), "<H"), ((2, 0), "<I"), ((3, 0), "<I"), ((9, 9), "<Q")))
    content = random.randbytes(random.choice((0, 1, 8, 32, 64)))
    return b"\x93NUMPY" + bytes(version) + struct.pack(length, len(text)) + text + content


def _fields(random: Random, archive: bytes) -> bytes:
    """Replace a number in a field of one of the zip headers."""
    starts = [at for mark in (b"PK\3\4", b"PK\1\2", b"PK\5\6") for at in _all(archive, mark)]
    start = random.choice(starts)
    offset = start + random.choice((4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 42))
    number = random.choice((0, 1, 7, 8, 0x0800, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, random.getrandbits(32)))
    field = struct.pack("<I", number)[: random.choice((2, 4))]
    return archive[:offset] + field + archive[offset + len(field) :]


def _all(text: bytes, mark: bytes) -> list[int]:
    starts: list[int] = []
    at = text.find(mark)
    while at >= 0:
        starts.append(at)
        at = text.find(mark, at + 1)
    return starts
