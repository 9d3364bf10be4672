"""The command `lindyn-service`: settings, sockets and the server, or a supervisor of several servers."""

import asyncio
import gc
import logging
import os
import socket
import sys
import tempfile
import threading
from typing import TYPE_CHECKING

import uvicorn
from anyio import run, to_thread

from lindyn_service.configuration import environment, settings
from lindyn_service.engine import worker_pool
from lindyn_service.server import make_key, usage
from lindyn_service.server.sockets import announce, on_descriptor, on_tcp, on_unix, url_of
from lindyn_service.server.stop_signals import StopSignals
from lindyn_service.server.supervisor import stop_seconds, supervise, wait_for_end_of_parent, wait_for_end_of_stdin
from lindyn_service.server.warmup import WarmUp
from lindyn_service.telemetry import logs

if TYPE_CHECKING:
    from lindyn_service.server.app import Service

_UVLOOP = {"use_uvloop": sys.platform != "win32"}
_THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_log = logging.getLogger("lindyn_service")


def main(stopping: StopSignals, *, only_settings: bool = False) -> None:
    """Generate an API key (`key NAME`), or serve until a signal or, with LINDYN_STOP_WITH_STDIN, the end of stdin.

    Args:
        stopping: signals to stop since the process started.
        only_settings: whether to refuse variables with the prefix LINDYN_ that are no settings, and to stop when the
            parent process ends.
    """
    parent = os.getppid()
    if sys.argv[1:2] == ["key"]:
        make_key.main(sys.argv[2:])
        return
    usage.parse(sys.argv[1:])
    try:
        if only_settings:
            environment.refuse_unknown()
        chosen = environment.load()
        logs.configure(chosen.log_level, chosen.log_format)
        _prepare_environment(chosen)
        if chosen.processes > 1:
            supervise(chosen, stopping)
        sockets = _sockets(chosen)
        if not stopping.received:
            run(_serve, chosen, sockets, stopping, parent if only_settings else None, backend_options=_UVLOOP)
    except settings.SettingsError as error:
        sys.exit(f"lindyn: {error}")


async def _serve(
    chosen: settings.Settings, sockets: list[socket.socket], stopping: StopSignals, parent: int | None
) -> None:
    """Serve until the service is stopped, also by the end of a parent process."""
    server = await _start(chosen, sockets, stopping)
    if stopping.received:
        return
    if chosen.stop_with_stdin:
        threading.Thread(target=wait_for_end_of_stdin, args=(server.stop,), daemon=True).start()
    if parent is not None:
        threading.Thread(target=wait_for_end_of_parent, args=(parent, server.stop), daemon=True).start()
    await server.serve(sockets)
    if server.fatal_error.error is not None:
        sys.exit(1)  # so that a supervisor such as systemd restarts the service


async def _start(chosen: settings.Settings, sockets: list[socket.socket], stopping: StopSignals) -> "_Server":
    """Construct the server and start a first worker at the same time, since each imports for about a second.

    A signal takes effect afterwards, since the start of a worker must not be cancelled, see `worker_pool`.
    """
    starting = asyncio.create_task(worker_pool.start_early(WarmUp(chosen.worker_memory_bytes)))
    try:
        return await to_thread.run_sync(_server, chosen, sockets, stopping)
    finally:
        await starting


def _prepare_environment(chosen: settings.Settings) -> None:
    """Set and remove variables of the environment, which all processes of the service inherit."""
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise settings.SettingsError(f"TMPDIR: {error}; set it to a folder that can be written to") from error
    environment.make_folder(chosen)
    # each worker computes in one thread; with these variables, libraries do not start further threads when they load
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    if chosen.process is None:
        for name in (settings.METRICS_VARIABLE, settings.METRICS_VARIABLE.lower()):
            os.environ.pop(
                name, None
            )  # it belongs to another application, whose metrics would be mixed with those of the service
        for warning in environment.warnings_of_environment():
            _log.warning("%s", warning)
    elif settings.METRICS_VARIABLE not in os.environ:
        raise settings.SettingsError(
            f"LINDYN_PROCESS is {chosen.process}, which only the service itself may set; unset it, and set "
            "LINDYN_PROCESSES instead"
        )


class _Server(uvicorn.Server):
    """Uvicorn's server, which in addition logs its URL, and notifies the application at the start of its shutdown.

    Args:
        service: the service with the application.
        config: configuration of uvicorn.
        url: the URL to log, or None.
        signals: signals to stop that arrive before `serve` handles them.
    """

    def __init__(self, service: "Service", config: uvicorn.Config, url: str | None, signals: StopSignals) -> None:
        super().__init__(config)
        self._signals = signals
        self._stopping = service.stopping
        self._url = url
        self.fatal_error = service.fatal_error
        self.fatal_error.stop = self.stop

    def stop(self) -> None:
        """Stop the server as after a signal."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, and log the URL."""
        if self._signals.received:
            self.stop()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # otherwise each full collection visits the objects of all modules, which takes about 0.1 s
        if self._url is not None:
            announce(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, and finish the requests in progress."""
        self._stopping.set()
        await super().shutdown(sockets)


def _server(chosen: settings.Settings, sockets: list[socket.socket], stopping: StopSignals) -> _Server:
    # imported late, since the application imports numpy and FastAPI, which other commands do not need
    from lindyn_service.server.app import create_service  # noqa: PLC0415
    from lindyn_service.server.slow_clients import ClientTimeouts, protocol_with_timeouts  # noqa: PLC0415

    service = create_service(chosen)
    timeouts = ClientTimeouts(chosen.head_seconds, chosen.body_seconds, chosen.stalled_seconds)
    config = uvicorn.Config(
        service.app,
        workers=1,  # otherwise uvicorn reads WEB_CONCURRENCY
        log_config=None,
        access_log=False,
        http=protocol_with_timeouts(timeouts, service.connections, service.refusal),
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=stop_seconds(chosen.grace_seconds),
    )
    has_own_address = chosen.descriptor is None and chosen.socket is None
    return _Server(service, config, url_of(sockets[0]) if has_own_address else None, stopping)


def _sockets(chosen: settings.Settings) -> list[socket.socket]:
    """Bind the sockets before the workers start, so that an address in use is reported early and without traceback."""
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
