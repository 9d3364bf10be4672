"""Start the private service of a client, as `lindyn.Client.local()` does.

The command is `python -P -m lindyn_service.server.private_service`.
"""

import os

from lindyn_service.configuration.processors import usable_processors
from lindyn_service.server.entry import run

MOST_WORKERS = 8  # one user keeps no more busy; each takes a second or two to start and 0.1 GB


def main() -> None:
    """Serve with one worker for each processor, at most `MOST_WORKERS`, unless LINDYN_WORKERS is set.

    The client sets the environment of this process, so every variable with the prefix LINDYN_ must be a setting.
    """
    os.environ.setdefault("LINDYN_WORKERS", str(min(usable_processors(), MOST_WORKERS)))
    run(only_settings=True)


if __name__ == "__main__":
    main()
