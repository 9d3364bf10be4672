"""Log lines: time, level, logger, message, on standard error."""

import logging


def configure(level: str) -> None:
    """Set up logging of the process once, at start-up."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s %(message)s")
