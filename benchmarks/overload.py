"""Goodput and latency at five times the capacity of the service, relative to its capacity.

`python benchmarks/overload.py` runs the phases of a round one after the other, so that the ratios within a round are
the result. Each request takes some tens of milliseconds, so that the load generator needs little processor time. The
onset of the overload, which the service treats as a burst and queues, is not measured.
"""

import argparse
import asyncio
from statistics import median

import uvloop
from load import Clients, Responses
from servers import lindyn_service

from lindyn_service.configuration.processors import usable_processors

OVERLOAD = 5
SETTLE_SECONDS = 2.0
ONSET_SECONDS = 5.0  # more than twice `LINDYN_QUEUE_SECONDS`


def main() -> None:
    """Print every round, and ratios over all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="duration of each phase")
    parser.add_argument("--workers", type=int, default=usable_processors())
    parser.add_argument("--width", type=int, default=60, help="width of the networks")
    parser.add_argument("--times", type=int, default=300, help="number of times of each trajectory")
    chosen = parser.parse_args()
    with lindyn_service(workers=chosen.workers) as server:
        uvloop.run(measure(Clients(server.port, chosen.width, chosen.times), chosen))


async def measure(clients: Clients, chosen: argparse.Namespace) -> None:
    await clients.closed_loop(chosen.workers, SETTLE_SECONDS)
    rounds: list[tuple[Responses, Responses, Responses]] = []
    print("round   capacity  half: p50    p99   five times: goodput    p50    p99   refused   p50    p99")
    for number in range(1, chosen.rounds + 1):
        capacity = await clients.closed_loop(2 * chosen.workers, chosen.seconds)
        half = await clients.open_loop(0.5 * capacity.goodput, chosen.seconds)
        await asyncio.sleep(SETTLE_SECONDS)
        overload = await clients.open_loop(OVERLOAD * capacity.goodput, chosen.seconds, ONSET_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        rounds.append((capacity, half, overload))
        print(f"{number:5} {line(capacity, half, overload)}", flush=True)
    clients.close()
    half, overload = (sum((each[i] for each in rounds), Responses()) for i in (1, 2))
    relative_goodput = median(overload.goodput / capacity.goodput for capacity, _, overload in rounds)
    print(f"goodput at five times over capacity, median of rounds: {relative_goodput:.2f}   (at least 0.90)")
    print(f"p99 of answers over that at half load, all rounds:      {ratio(overload, half):.2f}   (at most 2)")
    others = overload.statuses.total() - overload.statuses[200] - overload.statuses[503]
    print(f"neither answered nor refused: {others}")


def line(capacity: Responses, half: Responses, overload: Responses) -> str:
    """Row of the table, in milliseconds and responses per second."""
    return (
        f"{capacity.goodput:8.1f}/s {ms(half, 0.5)} {ms(half, 0.99)}          {overload.goodput:8.1f}/s "
        f"{ms(overload, 0.5)} {ms(overload, 0.99)}  {overload.statuses[503]:7} "
        f"{ms(overload, 0.5, 503)} {ms(overload, 0.99, 503)}"
    )


def ms(responses: Responses, q: float, status: int = 200) -> str:
    return f"{1000 * responses.quantile(q, status):6.1f}"


def ratio(overload: Responses, half: Responses) -> float:
    return overload.quantile(0.99) / half.quantile(0.99)


if __name__ == "__main__":
    main()
