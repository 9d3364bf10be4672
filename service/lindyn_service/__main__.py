"""Start the service: `python -m lindyn_service`, settings from LINDYN_* variables."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def main(*, only_settings: bool = False) -> None:
    """See `lindyn_service.server.serve`; imported late, since each worker process runs this file and needs nothing of that."""
    _leave_working_folder()
    try:
        from lindyn_service.server.serve import main as start  # noqa: PLC0415

        start(only_settings=only_settings)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or find_spec(missing) is not None:
            raise
        from lindyn._install_hint import how_to_install  # noqa: PLC0415

        sys.exit(
            f"lindyn: the service needs {missing}, which is not installed for {sys.executable}; "
            f"{how_to_install('service')}"
        )


def _leave_working_folder() -> None:
    """Files there, such as queue.py, would take the place of libraries, here and in every process that is started."""
    if sys.path[0] == str(Path(__file__).parents[1]):
        return  # not installed, but run where it is
    if not sys.flags.safe_path:
        del sys.path[0]
    os.environ["PYTHONSAFEPATH"] = "1"


if __name__ == "__main__":
    main()
