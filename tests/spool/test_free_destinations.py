"""Destinations whose place another program has taken: only a folder prevents that the file is written."""

import os
from pathlib import Path

import pytest

from lindyn_service.spool.format import write_atomically
from lindyn_service.spool.store import Spool

pytestmark = pytest.mark.anyio


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 10**6)


@pytest.mark.parametrize("kind", ["nothing", "link", "fifo", "file"])
async def test_other_entries_are_replaced(spool: Spool, kind: str, tmp_path: Path) -> None:
    path = spool.path("a")
    if kind == "link":
        path.symlink_to(tmp_path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("of another program")
    with spool.free_destination("a") as place:
        assert place is not None
        write_atomically(place, 1, lambda opened: opened.writelines([b"x"]))
    assert await spool.find("a")
    assert not path.is_symlink()


def test_a_folder_is_left_and_reported_once(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a", "b"):
        spool.path(name).mkdir()
    for name in ("a", "a", "b", "a"):
        with spool.free_destination(name) as place:
            assert place is None
    assert len(caplog.messages) == 2
    for name, message in zip("ab", caplog.messages, strict=True):
        assert message.startswith(f"{spool.path(name)} is a folder")
    spool.path("a").rmdir()
    with spool.free_destination("a") as place:
        assert place is not None
