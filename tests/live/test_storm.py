"""Two services on one Redis server, while workers, Redis and one of the services fail at random.

The small size is one of the tests; `make faults` runs the full one and prints what happened.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.faults import START_SECONDS, Faults
from support.jobs import sweep
from support.mix import mix
from support.processes import Measured, RedisServer, Service
from support.storm import Footprint, Outcomes, footprint, storm

from lindyn_service.cache.redis_cache import MAX_CONNECTIONS

WORKERS = 2
JOB_WORKERS = 1
DEADLINE_SECONDS = 60.0
MARGIN_SECONDS = 60.0  # for what is not the computation: reading, a busy machine, a connection that waits for its turn


def run_storm(
    count: int, warm_up: int, seed: int, think_seconds: float
) -> tuple[Outcomes, Faults, dict[str, Footprint]]:
    settings = {
        "workers": WORKERS,
        "job_workers": JOB_WORKERS,
        "deadline_seconds": DEADLINE_SECONDS,
        "redis_timeout_seconds": 0.5,
        "memory_cache_bytes": 2**20,  # full before the storm, so that it is no growth
        "log_format": "json",
    }
    with (
        RedisServer(durable=True) as server,
        Service(redis_url=server.url, wait=False, **settings) as restarted,
        Service(redis_url=server.url, wait=False, **settings) as lasting,
    ):
        services, prints = [restarted, lasting], {}
        for service in services:
            service.wait_until_ready(START_SECONDS)
        storm(services, list(mix(warm_up, seed + 1)), [big_sweep(3, 0), big_sweep(3, 10)], 0.0)
        prints["before"] = footprint(lasting, WORKERS + JOB_WORKERS)
        asked = list(mix(count, seed))
        faults = Faults(server, services, restarted, seed)
        with ThreadPoolExecutor(1) as thread:
            running_faults = thread.submit(faults.run)
            try:
                sweeps = [big_sweep(count // 50, 100), big_sweep(count // 75, 1000)]
                outcomes = storm(services, asked, sweeps, think_seconds, faults.stop)
            finally:
                faults.stop()
                running_faults.result()
        storm(services, list(mix(32, seed + 2)), [], 0.0)
        prints["after"] = footprint(lasting, WORKERS + JOB_WORKERS)
        faults.log += restarted.log() + lasting.log()
    return outcomes, faults, prints


def big_sweep(seeds: int, first: int) -> dict:
    """A sweep whose points take some tens of milliseconds."""
    body = sweep(lams=(0.5, 1.0), n=40, num=100, collect=("loss",))
    body["axes"][1]["values"] = list(range(first, first + seeds))
    return body


def check(outcomes: Outcomes, faults: Faults, prints: dict[str, Footprint], count: int) -> None:
    assert not outcomes.wrong
    right = sum(number for outcome, number in outcomes.outcomes.items() if outcome.startswith("right: "))
    refused = sum(number for outcome, number in outcomes.outcomes.items() if outcome.startswith(("503", "504")))
    assert right + refused == count + 2
    assert right > 0.5 * count
    assert max(outcomes.seconds) < DEADLINE_SECONDS + MARGIN_SECONDS
    assert len(faults.done) >= 4
    before, after = prints["before"], prints["after"]
    assert after.processes == before.processes
    assert after.resident_bytes < 1.1 * before.resident_bytes
    assert after.descriptors <= before.descriptors + MAX_CONNECTIONS  # the pool may not have been full before
    assert '"level": "ERROR"' not in faults.log


def summary(outcomes: Outcomes, faults: Faults, prints: dict[str, Footprint]) -> str:
    lines = [f"{number:6} {outcome}" for outcome, number in sorted(outcomes.outcomes.items())]
    lines += [f"{number:6} {name}" for name, number in sorted(faults.done.items())]
    seconds = np.array(outcomes.seconds)
    lines += [f"{np.quantile(seconds, q):6.2f} s, quantile {q} of all exchanges" for q in (0.5, 0.95, 0.99, 1.0)]
    lines += [
        f"{name}: {one.processes} processes, {one.resident_bytes / 2**20:.0f} MiB, {one.descriptors} descriptors"
        for name, one in prints.items()
    ]
    return "\n".join(lines)


# httpx leaves sockets open whose connection is refused
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.live
def test_a_small_storm(measured: Measured) -> None:
    outcomes, faults, prints = run_storm(150, 200, seed=1, think_seconds=0.5)
    measured("storm", summary(outcomes, faults, prints))
    check(outcomes, faults, prints, 150)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.faults
def test_a_storm() -> None:
    outcomes, faults, prints = run_storm(2000, 600, seed=2, think_seconds=0.5)
    print(summary(outcomes, faults, prints))
    check(outcomes, faults, prints, 2000)
