"""Start the private service of a client, as `lindyn.Client.local()` does: `python -P -m lindyn_service.server.private_service`."""

import os

from lindyn_service.__main__ import main as serve
from lindyn_service.configuration.processors import usable_processors

MOST_WORKERS = 8  # one person keeps no more busy, and each takes a second or two to start and 0.1 GB


def main() -> None:
    """Serve with a worker for each processor, but no more than one person needs, unless a number was chosen.

    Its environment is made for it, so that all variables with the prefix of settings are meant as settings.
    """
    os.environ.setdefault("LINDYN_WORKERS", str(min(usable_processors(), MOST_WORKERS)))
    serve(only_settings=True)


if __name__ == "__main__":
    main()
