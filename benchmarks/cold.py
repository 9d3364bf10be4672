"""Time to the first response of `make serve`, and to the first trajectory of the client.

Everything is installed, bytecode is compiled, and files are in the page cache. Each round measures new processes:

- `make serve` on a free port, from its start to the response to a 5-5-5 request;
- a Python process that has imported `lindyn`, up to its first trajectory, from a running service (`Client(url)`) and
  from a private service that it starts (`Client.local()`).

For comparison, it measures the import of numpy and scipy.optimize, which the service needs, too. Figures are medians.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from history import record
from servers import free_port, lindyn_service
from serving import PATH, body, exchange, http

ROOT = Path(__file__).parents[1]
CLIENT = """
import time, lindyn
started = time.perf_counter()
with {client} as c:
    c.trajectory(network=lindyn.balanced([5, 5, 5], lam=2.0, seed={seed}), task=lindyn.spectrum([3, 2, 1], seed=1),
        times=[0.0, 1.0], quantities=["loss"])
    print(time.perf_counter() - started)
"""


def make_serve() -> float:
    """Seconds from the start of `make serve` to its first response."""
    port = free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        ["make", "--no-print-directory", "serve"],
        cwd=ROOT,
        env={**os.environ, "LINDYN_PORT": str(port)},
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    exchange(connection, http(PATH, body(1, ["loss", "output"], 200)))
                return time.perf_counter() - started
            except ConnectionRefusedError:
                time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def python(program: str, **variables: str) -> str:
    """Output of a program in a new Python process."""
    environment = {**os.environ, **variables}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return run.stdout


def imports() -> float:
    started = time.perf_counter()
    python("import numpy, scipy.optimize")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--record", action="store_true", help="append the row to history/cold.jsonl")
    chosen = parser.parse_args()
    with lindyn_service(workers=1) as service:
        url = f"http://127.0.0.1:{service.port}"
        seeds = iter(range(10**6))
        cases: dict[str, Callable[[], float]] = {
            "make serve": make_serve,
            "Client(url)": lambda: float(python(CLIENT.format(client=f"lindyn.Client({url!r})", seed=next(seeds)))),
            "Client.local()": lambda: float(python(CLIENT.format(client="lindyn.Client.local()", seed=next(seeds)))),
            "import numpy, scipy.optimize": imports,
        }
        durations: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(chosen.rounds + 1):
            for name, case in cases.items():
                durations[name].append(case())
    row: dict[str, object] = {name: float(np.median(each[1:])) for name, each in durations.items()}
    for name, seconds in row.items():
        print(f"{name:30} {seconds:6.2f} s")
    if chosen.record:
        record("cold", [row])


if __name__ == "__main__":
    main()
