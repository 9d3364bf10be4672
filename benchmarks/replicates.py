"""An ensemble over HTTP against one request: 200 replicates of a 5-5-5 network with 200 times, and one of them.

Both ask for `loss` and `singular_values` and are never in a cache. The table shows medians of the time until the client
has the answer, and how many times longer the ensemble takes.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import lindyn

REPLICATES = 200
SIGMA_YX = np.random.default_rng(5).standard_normal((5, 5))


def base(seed: int, lam: float) -> dict[str, Any]:
    """A request for a trajectory."""
    return {
        "network": lindyn.balanced([5, 5, 5], lam=lam, scale=0.5, seed=seed),
        "task": SIGMA_YX,
        "times": {"stop": 10, "num": 200},
        "quantities": ["loss", "singular_values"],
    }


def seconds(ask: Callable[[], Any]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def compare(client: lindyn.Client, seeds: Iterator[int], lam: float, repeats: int) -> None:
    """Print one row; both are asked in turn."""
    asked, one, many = base(0, lam), list[float](), list[float]()
    for seed in itertools.islice(seeds, repeats):
        one.append(seconds(partial(client.trajectory, **base(seed, lam))))
        first_seed = REPLICATES * seed
        many.append(seconds(partial(client.ensemble, base=asked, replicates=REPLICATES, first_seed=first_seed)))
    first, second = statistics.median(one), statistics.median(many)
    print(f"lambda = {lam:g}: one {1e3 * first:.1f} ms, {REPLICATES} {1e3 * second:.1f} ms, ratio {second / first:.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    seeds = itertools.count(os.getpid() << 12)
    with lindyn.Client.local(workers=1) as client:
        for lam in (1.0, 0.0):
            compare(client, seeds, lam, repeats)


if __name__ == "__main__":
    main()
