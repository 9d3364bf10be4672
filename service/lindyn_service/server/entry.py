"""The entry point of the service, which imports little since each worker process imports it as well."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from lindyn_service.server.stop_signals import StopSignals


def run(*, only_settings: bool = False) -> None:
    """Run the service, or exit with a message if a library of the extra `service` is missing.

    Args:
        only_settings: see `lindyn_service.server.serve.main`.
    """
    stopping = StopSignals()
    _leave_working_folder()
    try:
        from lindyn_service.server.serve import main  # noqa: PLC0415 (needs the extra `service`)

        main(stopping, only_settings=only_settings)
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
    """Remove the working folder from the import path of this process and of its child processes.

    Otherwise a file in it, such as queue.py, would be imported instead of the library of that name.
    """
    if sys.path[0] == str(Path(__file__).parents[2]):
        return  # the service is not installed and runs from its source folder
    if not sys.flags.safe_path:
        del sys.path[0]
    os.environ["PYTHONSAFEPATH"] = "1"
