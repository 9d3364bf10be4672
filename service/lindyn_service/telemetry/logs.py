"""Log lines on standard error, as text or as JSON; `extra={"fields": {...}}` are fields of their own in both."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

_UNKNOWN = dict.fromkeys(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"args": (), "lineno": 0}


def configure(level: str, form: LogFormat) -> None:
    """Set up logging of the process once, at start-up."""
    # what no line shows is not collected for each (Python's logging how-to, "Optimization")
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def line(name: str, level: int, message: str, fields: Mapping[str, object]) -> logging.LogRecord:
    """A record for `Logger.handle`, without what Python finds out for each and no line shows.

    That is the line of code, the thread and the process, and costs as much as writing it.
    """
    now = time.time()
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(
        _UNKNOWN,
        name=name,
        levelno=level,
        levelname=logging.getLevelName(level),
        msg=message,
        created=now,
        msecs=int(1000 * (now % 1)),
        fields=fields,
    )
    return record


class _Text(logging.Formatter):
    """Time, level, logger, message, and the fields as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s")  # which `formatMessage` writes, with the rest
        self._second, self._time = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Local time to the millisecond; that of a second is written once."""
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._time},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        """A line; the way of the base class for what has more of them."""
        if record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        record.message, record.asctime = record.getMessage(), self.formatTime(record)
        return self.formatMessage(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """One line."""
        head = f"{record.asctime} {record.levelname:<7} {record.name} {record.message}"
        return head + "".join([f" {k}={v}" for k, v in _fields(record).items()])


class _Json(JsonFormatter):
    """One object a line; errors with their trace."""

    def __init__(self) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields={"asctime": "time", "levelname": "level"}
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Lift the fields to the others."""
        return {**log_data, **log_data.pop("fields", {})}


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    return getattr(record, "fields", {})
