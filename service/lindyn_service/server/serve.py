"""From the command line to a service that answers, or to several."""

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import uvicorn

from lindyn_service.configuration import environment, settings
from lindyn_service.server import make_key, usage
from lindyn_service.server.sockets import announce, on_descriptor, on_tcp, on_unix, url_of
from lindyn_service.server.supervisor import stop_seconds, supervise, wait_for_end_of_parent, wait_for_end_of_stdin
from lindyn_service.telemetry import logs

if TYPE_CHECKING:
    from fastapi import FastAPI

    from lindyn_service.server.fatal_error import FatalError

_THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_log = logging.getLogger("lindyn_service")


def main(*, only_settings: bool = False) -> None:
    """Make a key (`key NAME`), or serve until a signal, or until standard input ends where it is the lifeline.

    Args:
        only_settings: refuse variables with the prefix of settings that are none, and end with the parent process.
    """
    parent = os.getppid()
    if sys.argv[1:2] == ["key"]:
        make_key.main(sys.argv[2:])
        return
    usage.parse(sys.argv[1:])
    # uvicorn raises the signal that stopped it again when all is done, and that is a success
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _leave)
    try:
        if only_settings:
            environment.refuse_others()
        chosen = environment.load()
        logs.configure(chosen.log_level, chosen.log_format)
        _settle(chosen)
        if chosen.processes > 1:
            supervise(chosen)
        sockets = _sockets(chosen)
        server = _server(chosen, sockets)
    except settings.SettingsError as error:
        sys.exit(f"lindyn: {error}")
    if chosen.stop_with_stdin:
        threading.Thread(target=wait_for_end_of_stdin, args=(server.stop,), daemon=True).start()
    if only_settings:
        threading.Thread(target=wait_for_end_of_parent, args=(parent, server.stop), daemon=True).start()
    server.run(sockets)
    if server.defect.error is not None:
        sys.exit(1)  # so that whoever keeps it running starts it again


def _leave(*_: object) -> None:
    sys.exit()


def _settle(chosen: settings.Settings) -> None:
    """Make the environment, which all processes of the service inherit, one of this service and of nothing else."""
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise settings.SettingsError(f"TMPDIR: {error}; set it to a folder that can be written") from error
    # workers compute in one thread each; a library that finds these when it is loaded does not start others first
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    if chosen.process is None:
        for name in (settings.METRICS_VARIABLE, settings.METRICS_VARIABLE.lower()):
            os.environ.pop(name, None)  # of another application, among whose files ours would be
        for remark in environment.warnings_of_environment():
            _log.warning("%s", remark)
    elif settings.METRICS_VARIABLE not in os.environ:
        raise settings.SettingsError(
            f"LINDYN_PROCESS is {chosen.process}, which a service sets for its processes; unset it, and set "
            "LINDYN_PROCESSES"
        )


class _Server(uvicorn.Server):
    """Says when it begins to answer, and tells the application when it begins to stop, which uvicorn does at the end.

    Args:
        app: the application.
        config: of uvicorn.
        url: where people find it, if they do.
    """

    def __init__(self, app: "FastAPI", config: uvicorn.Config, url: str | None) -> None:
        super().__init__(config)
        self._app = app
        self._url = url
        self.defect: FatalError = app.state.defect
        self.defect.stop = self.stop

    def stop(self) -> None:
        """Stop as after a signal."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self._url is not None:
            announce(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to take connections, and serve those that are left."""
        self._app.state.stopping.set()
        await super().shutdown(sockets)


def _server(chosen: settings.Settings, sockets: list[socket.socket]) -> _Server:
    # the application pulls in numpy and FastAPI, which making a key or refusing a setting does not need
    from lindyn_service.server.app import create_app  # noqa: PLC0415
    from lindyn_service.server.slow_clients import ClientTimeouts, protocol_with_timeouts  # noqa: PLC0415

    app = create_app(chosen)
    patience = ClientTimeouts(chosen.head_seconds, chosen.body_seconds, chosen.stalled_seconds)
    config = uvicorn.Config(
        app,
        workers=1,  # else WEB_CONCURRENCY, which is not for us
        log_config=None,
        access_log=False,
        http=protocol_with_timeouts(patience, app.state.crowd, app.state.refuse),
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=stop_seconds(chosen.grace_seconds),
    )
    is_ours = chosen.descriptor is None and chosen.socket is None
    return _Server(app, config, url_of(sockets[0]) if is_ours else None)


def _sockets(chosen: settings.Settings) -> list[socket.socket]:
    """Take the address first: uvicorn does after the workers have started, and its failure is a traceback."""
    if chosen.descriptor is not None:
        inherited = on_descriptor(chosen.descriptor)
        if inherited.family != socket.AF_UNIX:
            environment.refuse_open_address(chosen, inherited.getsockname()[0])
        return [inherited]
    if chosen.socket is not None:
        bound = on_unix(chosen.socket)
        _log.info("listening on %s", chosen.socket)
        return [bound]
    return on_tcp(chosen.host, chosen.port)
