"""Start the service: `python -m lindyn_service`, settings from LINDYN_* variables."""


def main() -> None:
    """See `lindyn_service.start`; imported late, since each worker process runs this file and needs nothing of that."""
    from lindyn_service.start import main as start  # noqa: PLC0415

    start()


if __name__ == "__main__":
    main()
