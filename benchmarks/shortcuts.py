"""What two shortcuts on the way of every request save: timers armed late, and log records without source lines.

The application runs in this process and answers one known body again and again; its log is formatted and discarded. It
is measured as it is, with `asyncio.timeout` around each body, and with complete log records, in turn. The table has the
medians, over the rounds, of the processor time of a request and of its ratio to that of the application as it is in the
same round.
"""

import argparse
import asyncio
import itertools
import logging
import os
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import uvloop
from fastapi import FastAPI
from history import record
from serving import CACHED, PATH, body

from lindyn_service.configuration.settings import Settings
from lindyn_service.http import request_body, request_log
from lindyn_service.server.app import create_service
from lindyn_service.telemetry import logs

REQUESTS = 500


async def with_timer(seconds: float, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Arm a timer for each body."""
    async with asyncio.timeout(seconds):
        return await work


def complete_record(name: str, level: int, message: str, fields: Mapping[str, object]) -> logging.LogRecord:
    """Create a record as `Logger.info` does."""
    logger = logging.getLogger(name)
    file, line, function, _ = logger.findCaller()
    return logger.makeRecord(name, level, file, line, message, (), None, function, {"fields": fields})


@contextmanager
def complete_records() -> Iterator[None]:
    """Write complete records to the log."""
    with patch.object(request_log, "make_record", complete_record):
        yield


WAYS = {
    "as it is": lambda: patch.object(request_body, "lazy_timeout", request_body.lazy_timeout),
    "a timer for each body": lambda: patch.object(request_body, "lazy_timeout", with_timer),
    "complete log records": complete_records,
}


async def ask(app: FastAPI, state: Mapping[str, Any], content: bytes) -> None:
    """Send one request."""
    length = str(len(content)).encode()
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", length)]
    scope = {"type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
    scope |= {"headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "", "state": dict(state)}
    await app(scope, receive_of(content), send)


def receive_of(content: bytes) -> Any:
    """A channel on which the whole body has arrived."""
    messages = itertools.chain([{"type": "http.request", "body": content}])

    async def receive() -> dict[str, Any]:
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()
        return message or {}

    return receive


async def send(message: Mapping[str, Any]) -> None:
    """Discard an answer, which has to be one."""
    if message.get("status", 200) != 200:
        raise RuntimeError(f"got {message!r}")


async def measure(rounds: int) -> list[dict[str, object]]:
    """Measure all ways in turn, and return their rows."""
    app = create_service(Settings(workers=1, embedded_cache=False)).app
    content = body(7, *CACHED["1 kB"])
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    async with app.router.lifespan_context(app) as state:
        await ask(app, state, content)
        for _ in range(rounds + 1):
            for name, way in WAYS.items():
                with way():
                    started = time.process_time()
                    for _ in range(REQUESTS):
                        await ask(app, state, content)
                    found[name].append((time.process_time() - started) / REQUESTS)
    base = np.array(found["as it is"][1:])
    return [
        {"way": name, "us": 1e6 * float(np.median(each[1:])), "ratio": float(np.median(np.array(each[1:]) / base))}
        for name, each in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--record", action="store_true", help="append the rows to history/shortcuts.jsonl")
    chosen = parser.parse_args()
    logs.configure("info", "text")
    with open(os.devnull, "w") as log:
        logging.getLogger().handlers[0].setStream(log)
        rows = uvloop.run(measure(chosen.rounds))
    print(f"{'known body':24} {'CPU us':>7} {'ratio':>6}")
    for row in rows:
        print("{way:24} {us:7.0f} {ratio:6.2f}".format(**row))
    if chosen.record:
        record("shortcuts", rows)


if __name__ == "__main__":
    main()
