"""The private service that `lindyn.Client.local()` starts.

The command is `python -P -m lindyn_service.server.private_service`.
"""

import os

from lindyn_service.configuration.processors import usable_processors
from lindyn_service.server.entry import run

MAX_WORKERS = 8  # a single user keeps no more busy; each needs a second or two to start and 0.1 GB of memory


def main() -> None:
    """Run the service with one worker per processor, at most `MAX_WORKERS`, unless LINDYN_WORKERS is set.

    The client sets the environment of this process, so every variable with the prefix LINDYN_ must be a setting.
    """
    os.environ.setdefault("LINDYN_WORKERS", str(min(usable_processors(), MAX_WORKERS)))
    run(only_settings=True)


if __name__ == "__main__":
    main()
