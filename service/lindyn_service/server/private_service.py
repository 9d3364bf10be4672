"""The private service that `lindyn.Client.local()` starts.

The command is `python -P -m lindyn_service.server.private_service`.
"""

import os
from contextlib import suppress
from pathlib import Path

from lindyn_service.configuration.processors import usable_processors
from lindyn_service.server.entry import run

MAX_WORKERS = 8  # a single user keeps no more busy; each needs a second or two to start and 0.1 GB of memory

_LOG = "service.log"  # in the folder of the socket


def main() -> None:
    """Run the service with one worker per processor, at most `MAX_WORKERS`, unless LINDYN_WORKERS is set.

    The client sets the environment of this process, so every variable with the prefix LINDYN_ must be a setting.
    """
    os.environ.setdefault("LINDYN_WORKERS", str(min(usable_processors(), MAX_WORKERS)))
    client = os.getppid()
    try:
        run(only_settings=True)
    finally:
        if os.getppid() != client:
            _remove_folder_of_client()


def _remove_folder_of_client() -> None:
    """Remove the folder of the socket and the log, which a client that was killed could not."""
    path = os.environ.get("LINDYN_SOCKET")
    if path is None:
        return
    socket = Path(path)
    with suppress(OSError):  # the folder has other files, or is gone
        for name in (socket.name, f"{socket.name}.lock", _LOG):
            socket.with_name(name).unlink(missing_ok=True)
        socket.parent.rmdir()


if __name__ == "__main__":
    main()
