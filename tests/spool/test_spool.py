"""Files of answers: complete or absent, bounded in size, and removed after a service was killed."""

import errno
import fcntl
import io
import os
import shutil
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest

from lindyn.wire import npz
from lindyn_service.errors import BusyError, NoRoomError
from lindyn_service.spool import space
from lindyn_service.spool.format import write_atomically
from lindyn_service.spool.locks import try_lock
from lindyn_service.spool.space import SpoolDestination, reserved_file
from lindyn_service.spool.store import PREFIX, Spool
from lindyn_service.spool.temporary_folder import private_folder

pytestmark = pytest.mark.anyio


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


CONTENT = bytes(range(256)) * 20_000  # of several pieces


def file(spool: Spool, name: str, content: bytes = CONTENT, expected: int | None = None, note: str = "") -> Path:
    with spool.destination(name) as place:
        write_atomically(
            place,
            len(content) if expected is None else expected,
            lambda opened: opened.writelines([content[:1000], content[1000:]]),
            note,
        )
    return spool.path(name)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "made" / "here", 10**8)


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=len)
async def test_written_files_are_found(spool: Spool, content: bytes) -> None:
    assert await spool.find("a:1.npz") is None
    path = file(spool, "a:1.npz", content)
    found = await spool.find("a:1.npz")
    assert found is not None
    assert (found.path, found.size, found.note) == (path, len(content), "")
    assert path.read_bytes()[: found.size] == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", CONTENT], ids=len)
async def test_the_note_of_a_file_is_found(spool: Spool, content: bytes) -> None:
    path = file(spool, "a", content, note="exact")
    found = await spool.find("a")
    assert found is not None
    assert (found.size, found.note) == (len(content), "exact")
    assert found.read() == content
    written = path.read_bytes()
    path.write_bytes(written[:-20] + b"y" + written[-19:])  # within the note
    assert await spool.find("a") is None


async def test_files_of_earlier_versions_have_no_note(spool: Spool) -> None:
    """Magic number, length, and CRC-32 of name and content, after the content."""
    path = spool.path("a")
    path.write_bytes(b"content" + struct.pack("<4sQI", b"LDF1", 7, zlib.crc32(b"acontent")))
    found = await spool.find("a")
    assert found is not None
    assert (found.read(), found.note) == (b"content", "")


async def test_files_are_found_by_other_processes(spool: Spool) -> None:
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
async def test_a_damaged_file_is_not_found(spool: Spool, damage, known: bool) -> None:
    path = file(spool, "a")
    if known:
        assert await spool.find("a")
    path.write_bytes(damage(path.read_bytes()))
    assert await spool.find("a") is None
    assert not path.exists()


async def test_a_file_with_the_content_of_another_name_is_not_found(spool: Spool) -> None:
    file(spool, "a").rename(spool.path("b"))
    assert await spool.find("b") is None


async def test_a_failed_write_leaves_no_file(spool: Spool) -> None:
    with pytest.raises(ZeroDivisionError), spool.destination("a") as place:
        write_atomically(place, 10, lambda opened: opened.write(b"half") and 1 // 0)
    assert await spool.find("a") is None
    assert list(spool.path("a").parent.iterdir()) == []


async def test_the_least_recently_used_files_are_evicted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 350)
    for name in "abc":
        file(spool, name, bytes(84))  # and 16 of the trailer
    for name in "bac":
        assert await spool.find(name)
    file(spool, "d", bytes(84))
    assert names(tmp_path) == {"a", "c", "d"}
    file(spool, "e", bytes(334))
    assert names(tmp_path) == {"e"}


@pytest.mark.parametrize("expected", [0, 1, len(CONTENT) - 1, len(CONTENT) + 1, 2 * len(CONTENT)])
async def test_a_file_of_another_size_than_expected(spool: Spool, expected: int) -> None:
    path = file(spool, "a", CONTENT, expected)
    found = await spool.find("a")
    assert found is not None
    assert found.size == len(CONTENT)
    assert path.read_bytes()[:-16] == CONTENT


async def test_an_archive_in_a_file_has_the_bytes_of_one_in_memory(spool: Spool) -> None:
    """The writer seeks back to its headers, and more space was reserved than it writes."""
    arrays = {"a": np.arange(100_000.0), "b": np.eye(3)}
    with spool.destination("a") as place:
        write_atomically(place, 2_000_000, lambda opened: np.savez(opened, **arrays))
    found = await spool.find("a")
    assert found is not None
    memory = io.BytesIO()
    np.savez(memory, **arrays)
    assert found.path.read_bytes()[: found.size] == memory.getvalue()


async def test_an_archive_with_long_metadata_is_read_from_more_space_than_it_needs(spool: Spool) -> None:
    metadata, arrays = {"note": "x" * 50_000}, {"a": np.arange(100_000.0), "b": np.eye(3)}
    with spool.destination("a") as place:
        write_atomically(place, 2_000_000, lambda opened: npz.write(opened, metadata, arrays))
    found = await spool.find("a")
    assert found is not None
    read, kept = npz.unpack(found.read(), largest_bytes=2**24)
    assert read == metadata
    assert np.array_equal(kept["a"], arrays["a"])
    assert np.array_equal(kept["b"], arrays["b"])


def test_an_answer_larger_than_the_limit_evicts_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1000)
    file(spool, "a", bytes(500))
    for expected in (2000, 0):
        with pytest.raises(NoRoomError, match="may take 1000"):
            file(spool, "b", bytes(2000), expected)
    assert names(tmp_path) == {"a"}


def test_files_in_use_count_towards_the_limit(tmp_path: Path) -> None:
    """Two writers and a reader of an old answer: the third answer has to wait, and the limit always holds."""
    spool = Spool(tmp_path, 1000)
    file(spool, "old", bytes(284))
    with (
        spool.path("old").open("rb") as reader,
        reserved_file(SpoolDestination.of("x", tmp_path / "x", 1000), 300),
        reserved_file(SpoolDestination.of("y", tmp_path / "y", 1000), 300),
    ):
        assert try_lock(reader.fileno(), shared=True)
        with pytest.raises(BusyError):
            file(spool, "z", bytes(200))
        file(spool, "z", bytes(80))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
        reader.close()
        file(spool, "z2", bytes(200))
        assert not spool.path("old").exists()
    assert names(tmp_path) == {"z", "z2"}


def test_a_file_is_not_renamed_while_the_folder_is_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that finds a file under neither of its names would reserve its space twice."""
    monkeypatch.setattr(space, "_LOCK_SECONDS", 0.01)
    spool = Spool(tmp_path, 10**8)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with spool.destination("a") as place, pytest.raises(BusyError):
            write_atomically(place, 10, lambda _: fcntl.flock(descriptor, fcntl.LOCK_EX))
        assert not names(tmp_path)
    finally:
        os.close(descriptor)


def test_partial_files_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / "dead.part").write_bytes(bytes(900))
    with reserved_file(SpoolDestination.of("x", tmp_path / "x", 1000), 300):
        assert len(names(tmp_path)) == 1
        assert "dead.part" not in names(tmp_path)


def test_a_full_disk_evicts_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of 1000 bytes, which is smaller than the limit of the folder."""
    allocate = os.posix_fallocate

    def of_a_small_disk(descriptor: int, start: int, size: int) -> None:
        others = sum(path.stat().st_size for path in tmp_path.iterdir()) - os.fstat(descriptor).st_size
        if others + size > 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(descriptor, start, size)

    monkeypatch.setattr("os.posix_fallocate", of_a_small_disk)
    spool = Spool(tmp_path, 10**6)
    for name in "abc":
        file(spool, name, bytes(384))
    assert names(tmp_path) == {"b", "c"}
    with pytest.raises(NoRoomError, match="No space left"):
        file(spool, "d", bytes(2000))
    assert names(tmp_path) == set()


async def test_a_removed_folder_is_created_again(spool: Spool) -> None:
    path = file(spool, "a")
    shutil.rmtree(path.parent)
    assert await spool.find("a") is None
    assert file(spool, "a") == path
    assert await spool.find("a")
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
async def test_entries_that_are_not_files_are_ignored(spool: Spool, kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = file(spool, "a")
    path.unlink()
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert await spool.find("a") is None
    file(spool, "b")
    assert victim.read_bytes() == b"precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to another user")
def test_a_folder_of_another_user_is_not_written_to(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "theirs", 1000)
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(NoRoomError, match="another user"):
        file(spool, "a", bytes(10))


def test_folders_of_killed_services_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = textwrap.dedent("""
        import sys
        from lindyn_service.spool.temporary_folder import private_folder
        with private_folder("lindyn-spool-") as folder:
            print(folder, flush=True)
            sys.stdin.read()
    """)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, **pipes) as other:
        theirs = Path(other.stdout.readline().strip())
        with private_folder(PREFIX) as mine:
            assert theirs.is_dir()
            assert {theirs, mine} == set(tmp_path.glob(f"{PREFIX}*"))
        other.kill()
        other.wait()
        assert theirs.is_dir()
        with private_folder(PREFIX) as mine:
            assert set(tmp_path.iterdir()) == {mine}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link to a file", "fifo", "link to a folder", "another user's", "nothing"])
def test_folders_of_others_are_left_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Entries of others in the folder of temporary files are neither emptied, nor waited for, nor removed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    victims = tmp_path / "victims"
    victims.mkdir()
    (victims / "lock").write_bytes(b"precious")
    trap = tmp_path / f"{PREFIX}z"
    if kind == "link to a folder":
        trap.symlink_to(victims)
    else:
        trap.mkdir()
    if kind == "link to a file":
        (trap / "lock").symlink_to(victims / "lock")
    elif kind == "fifo":
        os.mkfifo(trap / "lock")
    elif kind == "another user's":
        if os.geteuid() != 0:
            pytest.skip("needs root to give files to another user")
        (trap / "lock").write_bytes(b"")
        os.chown(trap, 12345, 12345)
    with private_folder(PREFIX):
        pass
    assert (victims / "lock").read_bytes() == b"precious"
    assert trap.exists()


def test_a_folder_that_was_replaced_by_a_file_has_an_error(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "folder", 1000)
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(NoRoomError):
        file(spool, "a", bytes(10))


def test_a_disk_without_free_inodes_evicts_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with a limited number of files."""
    opened = space.open_own

    def of_a_small_disk(path: Path, flags: int) -> int:
        if flags & os.O_CREAT and len(names(tmp_path)) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, flags)

    monkeypatch.setattr(space, "open_own", of_a_small_disk)
    spool = Spool(tmp_path, 10**6)
    for name in "abc":
        file(spool, name, bytes(10))
    assert names(tmp_path) == {"b", "c"}
