"""Structured logs on standard error, as text or JSON; `extra={"fields": {...}}` adds fields in both formats."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

_RECORD_DEFAULTS = dict.fromkeys(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"args": (), "lineno": 0}


def configure(level: str, log_format: LogFormat) -> None:
    """Configure logging of this process, once at start-up."""
    # attributes that no format shows are not collected (logging HOWTO of Python, section "Optimization")
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def make_record(name: str, level: int, message: str, fields: Mapping[str, object]) -> logging.LogRecord:
    """Create a record for `Logger.handle` without source line, thread and process.

    No format shows these attributes, and to determine them would add a tenth or more to the processor time of an answer
    to a known body; see benchmarks/shortcuts.py.
    """
    now = time.time()
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(
        _RECORD_DEFAULTS,
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
    """Formats a record as time, level, logger, message and fields as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s")  # makes the base class compute the time, which `formatMessage` writes
        self._second, self._time = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the local time with milliseconds; the part up to the second is formatted once per second."""
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._time},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; a record with a traceback is left to the base class."""
        if record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        record.message, record.asctime = record.getMessage(), self.formatTime(record)
        return self.formatMessage(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        head = f"{record.asctime} {record.levelname:<7} {record.name} {record.message}"
        return head + "".join([f" {k}={v}" for k, v in _fields(record).items()])


class _Json(JsonFormatter):
    """Formats a record as a JSON object on one line, including any traceback."""

    def __init__(self) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields={"asctime": "time", "levelname": "level"}
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Move the additional fields to the top level of the object."""
        return {**log_data, **log_data.pop("fields", {})}


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    return getattr(record, "fields", {})
