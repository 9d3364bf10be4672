"""Start the service: `python -m lindyn_service`, settings from LINDYN_* variables."""

import sys
import threading

import uvicorn

from lindyn_service import log, settings


def main() -> None:
    """Read the settings and serve until a signal, or until standard input ends where it is the lifeline."""
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        sys.exit(f"lindyn: {error}")
    log.configure(chosen.log_level)
    # the application pulls in numpy and FastAPI, which worker processes do not need to run this file
    from lindyn_service.app import create_app  # noqa: PLC0415

    config = uvicorn.Config(
        create_app(chosen),
        host=chosen.host,
        port=chosen.port,
        uds=None if chosen.socket is None else str(chosen.socket),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=max(1, round(chosen.grace_seconds)),
    )
    server = uvicorn.Server(config)
    if chosen.stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
    server.run()


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
