"""Random corruption of values in Redis and of files in folders, by a seeded generator."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

NAMESPACE = "lindyn"


def junk(chance: random.Random) -> bytes:
    """Draw bytes that are not text, text that is not a number, or numbers out of range."""
    return chance.choice(
        (
            b"",
            b"\xff\xfe\x00",
            b"nan",
            b"-1",
            b"1e999",
            b"[]",
            b'{"kind": "sweep"}',
            b"9" * 400,
            b"\x80" * chance.randrange(1, 3000),
            chance.randbytes(chance.randrange(1, 200)),
        )
    )


def corrupt(client: "redis.Redis[bytes]", chance: random.Random) -> str:
    """Overwrite or add one value of a service, and return a description."""
    key = _key(client, chance)
    kind = chance.choice(("string", "list", "set", "hash", "zset", "part", "part", "gone"))
    if kind == "part":
        kind = f"part of {_part(client, key, chance)}"
    else:
        client.delete(key)
        _write(client, key, kind, chance)
    return f"{key!r}: {kind}"


def _key(client: "redis.Redis[bytes]", chance: random.Random) -> bytes:
    """Draw an existing or a possible key."""
    existing: list[bytes] = list(client.scan_iter(f"{NAMESPACE}:*", count=1000))
    job = b"%032x" % chance.randrange(16**32)
    jobs = f"{NAMESPACE}:jobs".encode()
    possible = [
        jobs,
        jobs + b":active",
        jobs + b":ended",
        jobs + b":of:",
        jobs + b":" + job,
        jobs + b":" + job + b":request",
        jobs + b":" + job + b":result",
        jobs + b":" + junk(chance)[:40],
        f"{NAMESPACE}:leases".encode(),
    ]
    return chance.choice(existing + possible)


def _write(client: "redis.Redis[bytes]", key: bytes, kind: str, chance: random.Random) -> None:
    match kind:
        case "string":
            client.set(key, junk(chance))
        case "list":
            client.rpush(key, junk(chance), junk(chance))
        case "set":
            client.sadd(key, junk(chance), b"%032x" % chance.randrange(16**32))
        case "hash":
            client.hset(key, mapping={junk(chance): junk(chance), b"state": junk(chance)})
        case "zset":
            client.zadd(key, {junk(chance): chance.choice((0.0, -1.0, float("inf"), 1e300))})


def _part(client: "redis.Redis[bytes]", key: bytes, chance: random.Random) -> str:
    """Change a value within its type."""
    kind: str = client.type(key).decode()
    match kind:
        case "string":
            whole: bytes = client.get(key) or b""
            at = chance.randrange(len(whole) + 1)
            client.set(key, whole[:at] + junk(chance) + whole[at + 1 :])
        case "list":
            client.lset(key, 0, junk(chance))
        case "hash":
            names: list[bytes] = client.hkeys(key)
            client.hset(key, chance.choice(names), junk(chance))
        case "set" | "zset" as both:
            _write(client, key, both, chance)
        case _:
            client.sadd(key, junk(chance))
    return kind


def corrupt_file(folder: Path, outside: Path, chance: random.Random) -> str:
    """Damage or replace one file of a folder, or add one, and return a description.

    Args:
        folder: folder of the files.
        outside: target of links, which must not be changed.
        chance: random generator.
    """
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    path = chance.choice([*files, folder / f"trajectories-{chance.randrange(16**64):064x}.npz"])
    act = chance.choice((_cut, _flip, _empty, _longer, _link, _fifo, _folder, _gone, _closed, _other_name))
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
    act(path, outside, chance)
    return f"{path.name}: {act.__name__}"


Act = Callable[[Path, Path, random.Random], Any]


def _content(path: Path) -> bytearray:
    return bytearray(path.read_bytes()) if path.is_file() and not path.is_symlink() else bytearray(b"nothing")


def _cut(path: Path, _outside: Path, chance: random.Random) -> None:
    content = _content(path)
    _replace(path, content[: chance.randrange(len(content) + 1)])


def _flip(path: Path, _outside: Path, chance: random.Random) -> None:
    content = _content(path)
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    _replace(path, content)


def _empty(path: Path, _outside: Path, _chance: random.Random) -> None:
    _replace(path, b"")


def _longer(path: Path, _outside: Path, chance: random.Random) -> None:
    _replace(path, _content(path) + chance.randbytes(100))


def _link(path: Path, outside: Path, _chance: random.Random) -> None:
    _remove(path)
    path.symlink_to(outside)


def _fifo(path: Path, _outside: Path, _chance: random.Random) -> None:
    _remove(path)
    os.mkfifo(path)


def _folder(path: Path, _outside: Path, _chance: random.Random) -> None:
    _remove(path)
    path.mkdir()


def _gone(path: Path, _outside: Path, chance: random.Random) -> None:
    _remove(path)
    if chance.random() < 0.1:
        shutil.rmtree(path.parent)


def _closed(path: Path, _outside: Path, _chance: random.Random) -> None:
    if path.is_file() and not path.is_symlink():
        path.chmod(0)


def _other_name(path: Path, _outside: Path, chance: random.Random) -> None:
    if path.is_file():
        path.rename(path.with_name(f"trajectories-{chance.randrange(16**64):064x}.json"))


def _replace(path: Path, content: bytes | bytearray) -> None:
    _remove(path)
    path.write_bytes(content)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
