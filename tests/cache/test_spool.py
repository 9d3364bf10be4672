"""Files of answers: whole or not there, bounded in all, and nothing left of services that were killed."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lindyn_service.cache.spool import PREFIX, Spool, private_folder
from lindyn_service.sealed_file import write_whole

pytestmark = pytest.mark.anyio


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


CONTENT = bytes(range(256)) * 20_000  # of several pieces


def file(spool: Spool, name: str, content: bytes = CONTENT) -> Path:
    with spool.place(name) as place:
        write_whole(place, lambda opened: opened.writelines([content[:1000], content[1000:]]))
    return spool.path(name)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "made" / "here", 10**8)


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=len)
async def test_what_was_written_is_found(spool: Spool, content: bytes) -> None:
    assert await spool.find("a:1.npz") is None
    path = file(spool, "a:1.npz", content)
    found = await spool.find("a:1.npz")
    assert found is not None
    assert (found.path, found.size, found.head) == (path, len(content), content[:65_536])
    assert path.read_bytes()[: found.size] == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_another_process_finds_it(spool: Spool) -> None:
    path = file(spool, "a")
    found = await Spool(path.parent, 1).find("a")
    assert found is not None
    assert found.size == len(CONTENT)


def flip(content: bytes) -> bytes:
    return content[:70_000] + bytes([content[70_000] ^ 1]) + content[70_001:]


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: c[:-1], lambda c: c[1:], flip, lambda c: c + b"x", lambda c: c[:-5] + bytes(5)],
    ids=["empty", "cut", "begun late", "flipped", "longer", "checksum"],
)
@pytest.mark.parametrize("known", [False, True])
async def test_a_damaged_file_is_not_there(spool: Spool, damage, known: bool) -> None:
    path = file(spool, "a")
    if known:
        assert await spool.find("a")
    path.write_bytes(damage(path.read_bytes()))
    assert await spool.find("a") is None
    assert not path.exists()


async def test_a_file_of_another_name_is_not_taken(spool: Spool) -> None:
    file(spool, "a").rename(spool.path("b"))
    assert await spool.find("b") is None


async def test_a_failure_leaves_nothing(spool: Spool) -> None:
    with pytest.raises(ZeroDivisionError), spool.place("a") as place:
        write_whole(place, lambda opened: opened.write(b"half") and 1 // 0)
    assert await spool.find("a") is None
    assert list(spool.path("a").parent.iterdir()) == []


async def test_room_is_made_by_those_unused_for_longest(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 350)
    for name in "abc":
        file(spool, name, bytes(84))  # and 16 of the trailer
    for name in "bac":
        assert await spool.find(name)
    await spool.make_room(100)
    assert names(tmp_path) == {"a", "c"}
    await spool.make_room(350)
    assert names(tmp_path) == set()


async def test_parts_are_removed_a_day_later(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 0)
    for name, age in (("new", 0), ("old", 100_000)):
        part = tmp_path / f"{name}.part"
        part.write_bytes(b"half")
        os.utime(part, (part.stat().st_atime - age,) * 2)
    await spool.make_room(0)
    assert names(tmp_path) == {"new.part"}


def test_folders_of_killed_services_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = textwrap.dedent("""
        import sys
        from lindyn_service.cache.spool import private_folder
        with private_folder() as folder:
            print(folder, flush=True)
            sys.stdin.read()
    """)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, **pipes) as other:
        theirs = Path(other.stdout.readline().strip())
        with private_folder() as mine:
            assert theirs.is_dir()
            assert {theirs, mine} == set(tmp_path.glob(f"{PREFIX}*"))
        other.kill()
        other.wait()
        assert theirs.is_dir()
        with private_folder() as mine:
            assert set(tmp_path.iterdir()) == {mine}
    assert list(tmp_path.iterdir()) == []
