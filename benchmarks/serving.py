"""Overhead of the HTTP layer, for cached responses and for first computations.

Cached responses: the service with one process, one worker and its log in a file is compared with a FastAPI application
whose single route returns the same bytes, without middleware, log or keys, on the same uvicorn. A client process sends
the same body repeatedly over 16 persistent connections. Both servers are measured in turn, for half a second each. The
table has the medians over the rounds of requests per second, of the 99th percentile, and of their ratios within a
round. These depend on other programs, but processor time per request hardly does, and is therefore shown, too.

Two processes (`LINDYN_PROCESSES=2`) that share a Valkey server are compared with one process in the same way. The
client needs a processor, too, so that on a machine with two processors they can hardly double the throughput.

First computations: 5-5-5 with 200 times, `loss` and `output`, with seeds that are not cached, one request at a time
over one connection, compared with the worker function (from JSON to JSON) in this process with one BLAS thread. Both
are run in turn for each seed; the overhead is the difference of the medians.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from burst import Burst, burst
from history import record
from servers import Server, bare_service, lindyn_service, shared_cache
from threadpoolctl import threadpool_limits

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.operations.registry import TRAJECTORY, normalise
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory

CONNECTIONS = 16
SECONDS = 0.5
SIGMA_YX = np.random.default_rng(5).standard_normal((5, 5)).tolist()
CACHED = {"1 kB": (["loss"], 20), "100 kB": (["loss", "output"], 190)}
PATH = "/v1/trajectories"


def body(seed: int, quantities: list[str], num: int) -> bytes:
    """Body of a request for 5-5-5."""
    network = {"kind": "balanced", "dims": [5, 5, 5], "lambda": 2.0, "scale": 0.5, "seed": seed}
    task = {"kind": "correlation", "sigma_yx": SIGMA_YX}
    times = {"start": 0, "stop": 10, "num": num}
    return json.dumps({"network": network, "task": task, "times": times, "quantities": quantities}).encode()


def http(path: str, content: bytes) -> bytes:
    """Bytes of a minimal HTTP request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send one request and read the body of its response."""
    connection.sendall(request)
    received = connection.recv(2**20)
    while b"\r\n\r\n" not in received:
        received += connection.recv(2**20)
    head, _, beginning = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"got {received!r}")
    pieces = [beginning]
    missing = length - len(beginning)
    while missing:
        pieces.append(connection.recv(2**20))
        missing -= len(pieces[-1])
    return b"".join(pieces)


def cached(rounds: int) -> list[dict[str, object]]:
    """Measure cached responses, and print and return the table."""
    rows: list[dict[str, object]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(lindyn_service(workers=1))
        requests = {name: body(7, *parameters) for name, parameters in CACHED.items()}
        for name, content in requests.items():
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                (folder / name.replace(" ", "")).write_bytes(exchange(connection, http(PATH, content)))
        bare = stack.enter_context(bare_service(folder))
        client = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        print(
            f"{'cached':8} {'bytes':>7} {'req/s':>7} {'bare':>7} {'ratio':>6} {'p99 ms':>7} {'bare':>7} {'ratio':>6} "
            f"{'CPU us':>7} {'bare':>7} {'ratio':>6}"
        )
        for name, content in requests.items():
            path = f"/{name.replace(' ', '')}"
            cases = {"ours": (service, http(PATH, content)), "bare": (bare, http(path, content))}
            bursts = in_turn(client, cases, rounds)
            rows.append({"cached": name, "bytes": (folder / path[1:]).stat().st_size, **compared(bursts)})
            print("{cached:8} {bytes:7d} {ours:7.0f} {bare:7.0f} {ratio:6.2f}".format(**rows[-1]), end=" ")
            print("{ours_p99_ms:7.2f} {bare_p99_ms:7.2f} {p99_ratio:6.2f}".format(**rows[-1]), end=" ")
            print("{ours_cpu_us:7.0f} {bare_cpu_us:7.0f} {cpu_ratio:6.2f}".format(**rows[-1]))
    return rows


def several(rounds: int) -> list[dict[str, object]]:
    """Measure cached responses of two processes that share the address and a cache, and print and return the row."""
    with ExitStack() as stack:
        url = stack.enter_context(shared_cache())
        one = stack.enter_context(lindyn_service(workers=1, redis_url=url))
        two = stack.enter_context(lindyn_service(workers=1, redis_url=url, processes=2))
        request = http(PATH, body(7, *CACHED["1 kB"]))
        client = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        row: dict[str, object] = {
            "processes": 2,
            **compared(in_turn(client, {"ours": (two, request), "bare": (one, request)}, rounds)),
        }
    print("two processes: {ours:.0f} req/s, one: {bare:.0f} req/s, ratio {ratio:.2f}".format(**row))
    return [row]


def in_turn(
    client: ProcessPoolExecutor, cases: dict[str, tuple[Server, bytes]], rounds: int
) -> dict[str, list[tuple[Burst, float]]]:
    """Bursts of all cases in turn, without the first of each, which is for warming up."""
    bursts: dict[str, list[tuple[Burst, float]]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, (server, request) in cases.items():
            before = server.processor_seconds()
            result = client.submit(burst, server.port, request, CONNECTIONS, SECONDS).result()
            bursts[name].append((result, (server.processor_seconds() - before) / result.answers))
    return {name: runs[1:] for name, runs in bursts.items()}


def compared(bursts: dict[str, list[tuple[Burst, float]]]) -> dict[str, object]:
    """Medians over rounds, also of the ratios within a round."""
    ours, bare = ([run for run, _ in bursts[name]] for name in ("ours", "bare"))
    cpu_us = {name: 1e6 * float(np.median([seconds for _, seconds in bursts[name]])) for name in bursts}
    return {
        "ours_cpu_us": cpu_us["ours"],
        "bare_cpu_us": cpu_us["bare"],
        "cpu_ratio": cpu_us["bare"] / cpu_us["ours"],
        "ours": float(np.median([run.per_second for run in ours])),
        "bare": float(np.median([run.per_second for run in bare])),
        "ratio": float(np.median([a.per_second / b.per_second for a, b in zip(ours, bare, strict=True)])),
        "ours_p99_ms": 1e3 * float(np.median([run.p99 for run in ours])),
        "bare_p99_ms": 1e3 * float(np.median([run.p99 for run in bare])),
        "p99_ratio": float(np.median([a.p99 / b.p99 for a, b in zip(ours, bare, strict=True)])),
    }


def first(count: int, seeds: Iterator[int]) -> list[dict[str, object]]:
    """Measure first computations, and print and return the row."""
    over_http: list[float] = []
    in_process: list[float] = []
    with lindyn_service(workers=1) as service, socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for seed in itertools.islice(seeds, count + 20):
            content = body(seed, ["loss", "output"], 200)
            started = time.perf_counter()
            exchange(connection, http(PATH, content))
            over_http.append(time.perf_counter() - started)
            started = time.perf_counter()
            compute(content)
            in_process.append(time.perf_counter() - started)
    ours, theirs = np.array(over_http[20:]) * 1e3, np.array(in_process[20:]) * 1e3
    row: dict[str, object] = {
        "http_p50_ms": float(np.median(ours)),
        "http_p95_ms": float(np.percentile(ours, 95)),
        "in_process_p50_ms": float(np.median(theirs)),
        "more_ms": float(np.median(ours) - np.median(theirs)),
    }
    print(
        "first computation: {http_p50_ms:.2f} ms at p50 over HTTP (p95 {http_p95_ms:.2f}), {in_process_p50_ms:.2f} ms "
        "in process, {more_ms:.2f} ms more".format(**row)
    )
    return [row]


def compute(content: bytes) -> bytes:
    """Parse and compute a request as the service and its worker do."""
    normal, key = normalise(TRAJECTORY, read(TrajectoryRequest, json.loads(content)))
    return encode(trajectory(normal, key), "json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--record", action="store_true", help="append the rows to history/serving.jsonl")
    chosen = parser.parse_args()
    rows = cached(chosen.rounds) + several(chosen.rounds)
    with threadpool_limits(1):
        rows += first(chosen.requests, itertools.count(os.getpid() << 20))
    if chosen.record:
        record("serving", rows)


if __name__ == "__main__":
    main()
