"""Start the service: `python -m lindyn_service`, settings from LINDYN_* variables."""

import sys


def main() -> None:
    """See `lindyn_service.start`; imported late, since each worker process runs this file and needs nothing of that."""
    try:
        from lindyn_service.start import main as start  # noqa: PLC0415
    except ModuleNotFoundError as error:
        from lindyn.extras import how_to_install  # noqa: PLC0415

        sys.exit(f"lindyn: the service needs {error.name}, which is not installed; {how_to_install('service')}")
    start()


if __name__ == "__main__":
    main()
