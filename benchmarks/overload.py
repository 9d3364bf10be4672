"""Goodput and latency at five times of what the service can do, against what it can do.

Run it as `python benchmarks/overload.py`. All phases of a round follow each other, so read the ratios. The requests
take some tens of milliseconds each, so that the load generator takes little of the machine. The onset of the overload,
which the service takes for a burst and queues, is not measured.
"""

import argparse
import asyncio
from statistics import median

import uvloop
from load import Clients, Loaded
from servers import lindyn_service

from lindyn_service.configuration.processors import usable_processors

OVERLOAD = 5
SETTLE_SECONDS = 2.0
ONSET_SECONDS = 5.0  # more than twice `LINDYN_QUEUE_SECONDS`


def main() -> None:
    """Print every round, and the ratios of all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of each phase")
    parser.add_argument("--workers", type=int, default=usable_processors())
    parser.add_argument("--width", type=int, default=60, help="of the networks")
    parser.add_argument("--times", type=int, default=300, help="at which they are looked at")
    chosen = parser.parse_args()
    with lindyn_service(workers=chosen.workers) as server:
        uvloop.run(measure(Clients(server.port, chosen.width, chosen.times), chosen))


async def measure(clients: Clients, chosen: argparse.Namespace) -> None:
    await clients.closed(chosen.workers, SETTLE_SECONDS)
    rounds: list[tuple[Loaded, Loaded, Loaded]] = []
    print("round   capacity  half: p50    p99   five times: goodput    p50    p99   refused   p50    p99")
    for number in range(1, chosen.rounds + 1):
        capacity = await clients.closed(2 * chosen.workers, chosen.seconds)
        half = await clients.open(0.5 * capacity.goodput, chosen.seconds)
        await asyncio.sleep(SETTLE_SECONDS)
        overload = await clients.open(OVERLOAD * capacity.goodput, chosen.seconds, ONSET_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        rounds.append((capacity, half, overload))
        print(f"{number:5} {line(capacity, half, overload)}", flush=True)
    clients.close()
    half, overload = (sum((each[i] for each in rounds), Loaded()) for i in (1, 2))
    kept = median(overload.goodput / capacity.goodput for capacity, _, overload in rounds)
    print(f"goodput at five times over capacity, median of rounds: {kept:.2f}   (at least 0.90)")
    print(f"p99 of answers over that at half load, all rounds:      {ratio(overload, half):.2f}   (at most 2)")
    others = overload.statuses.total() - overload.statuses[200] - overload.statuses[503]
    print(f"neither answered nor refused: {others}")


def line(capacity: Loaded, half: Loaded, overload: Loaded) -> str:
    """A row of the table, in milliseconds and answers in a second."""
    return (
        f"{capacity.goodput:8.1f}/s {ms(half, 0.5)} {ms(half, 0.99)}          {overload.goodput:8.1f}/s "
        f"{ms(overload, 0.5)} {ms(overload, 0.99)}  {overload.statuses[503]:7} "
        f"{ms(overload, 0.5, 503)} {ms(overload, 0.99, 503)}"
    )


def ms(loaded: Loaded, q: float, status: int = 200) -> str:
    return f"{1000 * loaded.quantile(q, status):6.1f}"


def ratio(overload: Loaded, half: Loaded) -> float:
    return overload.quantile(0.99) / half.quantile(0.99)


if __name__ == "__main__":
    main()
