"""From the command line to a service that answers, or to several."""

import logging
import math
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from lindyn_service import log, settings
from lindyn_service.access import command
from lindyn_service.supervisor import supervise, wait_for_end_of_stdin

if TYPE_CHECKING:
    from fastapi import FastAPI

SEND_SECONDS = 5  # after the grace time: for clients to read their last answers

_log = logging.getLogger("lindyn_service")


def main() -> None:
    """Make a key (`key NAME`), or serve until a signal, or until standard input ends where it is the lifeline."""
    if sys.argv[1:2] == ["key"]:
        command.main(sys.argv[2:])
        return
    # uvicorn raises the signal that stopped it again when all is done, and that is a success
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _leave)
    try:
        chosen = settings.load()
        log.configure(chosen.log_level, chosen.log_format)
        if chosen.processes > 1:
            supervise(chosen)
        sockets = _sockets(chosen)
        for each in sockets or ():
            if each.family != socket.AF_UNIX:
                settings.refuse_open_address(chosen, each.getsockname()[0])
        server = _server(chosen)
    except settings.SettingsError as error:
        sys.exit(f"lindyn: {error}")
    if chosen.stop_with_stdin:
        threading.Thread(target=wait_for_end_of_stdin, args=(server.stop,), daemon=True).start()
    server.run(sockets)


def _leave(*_: object) -> None:
    sys.exit()


class _Server(uvicorn.Server):
    """Tells the application when it begins to stop; uvicorn by itself does after the last answer."""

    def __init__(self, app: "FastAPI", config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    def stop(self) -> None:
        """Stop as after a signal."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to take connections, and serve those that are left."""
        self._app.state.stopping.set()
        await super().shutdown(sockets)


def _server(chosen: settings.Settings) -> _Server:
    # the application pulls in numpy and FastAPI, which making a key or refusing a setting does not need
    from lindyn_service.app import create_app  # noqa: PLC0415
    from lindyn_service.patience import impatient  # noqa: PLC0415

    app = create_app(chosen)
    config = uvicorn.Config(
        app,
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        http=impatient(chosen.head_seconds, chosen.stalled_seconds),
        server_header=False,
        timeout_graceful_shutdown=math.ceil(chosen.grace_seconds) + SEND_SECONDS,
    )
    return _Server(app, config)


def _sockets(chosen: settings.Settings) -> list[socket.socket] | None:
    """What is bound already, by this process or by the one that started it; None for host and port."""
    if chosen.descriptor is not None:
        return [socket.socket(fileno=chosen.descriptor)]
    return None if chosen.socket is None else [_bound(chosen.socket)]


def _bound(path: Path) -> socket.socket:
    """Take the address first: uvicorn does after the workers have started, and its failure is a traceback."""
    bound = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():  # left by a service that ended
            path.unlink()
        bound.bind(str(path))
    except OSError as error:
        raise settings.SettingsError(f"LINDYN_SOCKET: cannot listen on {path}: {error}") from error
    _log.info("listening on %s", path)
    return bound
