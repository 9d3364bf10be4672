"""Many clients of two services during faults of the environment; all responses are checked."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory
from support.jobs import FINAL, JOB_SECONDS
from support.mix import CheckedRequest
from support.processes import Service, eventually

CLIENTS = 16
TRIES = 200
RETRYABLE = (503, 504)
WORKING = ("running", "waiting")


@dataclass
class Outcomes:
    """Responses of all clients."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, asked: CheckedRequest, answer: httpx.Response, seconds: float) -> None:
        if answer.status_code in RETRYABLE:
            code, acceptable = answer.json()["code"], int(answer.headers.get("Retry-After", 0)) > 0
            outcome = f"{answer.status_code} {code}"
        else:
            acceptable, outcome = asked.is_right(answer), f"right: {asked.kind}"
        with self._lock:
            self.seconds.append(seconds)
            self.outcomes[outcome if acceptable else "wrong"] += 1
            if not acceptable:
                self.wrong.append(f"{asked.kind}: {answer.status_code} {answer.headers} {answer.text[:500]}")

    def cut(self, error: httpx.TransportError) -> None:
        with self._lock:
            self.outcomes[f"other service after {type(error).__name__}"] += 1


class Client:
    """A client of one service, which changes to the other one on a failed connection; each exchange is timed."""

    def __init__(self, services: Sequence[Service], seen: Outcomes, seed: int) -> None:
        self._services = list(services)
        self._clients = [service.client() for service in services]
        self._seen = seen
        self._chance = random.Random(seed)

    def work(self, asked: Sequence[CheckedRequest], think_seconds: float) -> None:
        for each in asked:
            time.sleep(self._chance.uniform(0, 2 * think_seconds))
            answer, seconds = self.exchange(each.send)
            self._seen.add(each, answer, seconds)
        self.close()

    def exchange(self, send: Callable[[httpx.Client], httpx.Response]) -> tuple[httpx.Response, float]:
        first = self._chance.randrange(2)
        for attempt in range(TRIES):
            started = time.monotonic()
            try:
                return send(self._clients[(first + attempt) % 2]), time.monotonic() - started
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:  # the service was killed or is not running
                self._seen.cut(error)
                time.sleep(0.01 * attempt)
        raise AssertionError("no service was there")

    def close(self) -> None:
        for client in self._clients:
            client.close()


class JobOwner(Client):
    """A client that submits a sweep until it is accepted, waits for its end, and checks every number."""

    def sweep(self, body: dict) -> None:
        accepted = self._insist(lambda client: client.post("/v1/sweeps", json=body), 202)
        path = f"/v1/jobs/{accepted.json()['id']}"
        deadline = time.monotonic() + JOB_SECONDS
        while (job := self._insist(lambda client: client.get(path), 200).json())["state"] not in FINAL:
            assert time.monotonic() < deadline, job
            time.sleep(0.2)
        assert job["state"] == "done", job
        assert job["completed"] == job["total"]
        table = self._insist(lambda client: client.get(f"{path}/result"), 200).json()
        assert not table["problems"]
        np.testing.assert_allclose(table["data"]["loss"]["values"], expected_losses(body), rtol=1e-12, atol=0)
        self._seen.outcomes["right: job"] += 1
        self.close()

    def _insist(self, send: Callable[[httpx.Client], httpx.Response], status: int) -> httpx.Response:
        for _ in range(TRIES):
            answer, seconds = self.exchange(send)
            self._seen.seconds.append(seconds)
            if answer.status_code == status:
                return answer
            assert answer.status_code in RETRYABLE, answer.text
            time.sleep(0.2)
        raise AssertionError(f"never {status}")


def expected_losses(body: dict) -> np.ndarray:
    """Compute every point of a sweep over lambda and seeds in this process."""
    lams, seeds = (axis["values"] for axis in body["axes"])

    def loss(lam: float, seed: int) -> list[float]:
        network = {**body["base"]["network"], "lambda": lam, "seed": seed}
        document = {**body["base"], "network": network, "quantities": ["loss"]}
        return json.loads(encode(trajectory(read(TrajectoryRequest, document), ""), "json"))["quantities"]["loss"]

    return np.array([[loss(lam, seed) for seed in seeds] for lam in lams])


def storm(
    services: Sequence[Service],
    asked: Sequence[CheckedRequest],
    sweeps: Sequence[dict],
    think_seconds: float,
    calm: Callable[[], None] = lambda: None,
) -> Outcomes:
    """Run all clients, each with a share of the requests, and owners of the sweeps; call `calm` after the requests."""
    seen = Outcomes()
    with ThreadPoolExecutor(CLIENTS + len(sweeps)) as threads:
        working = [
            threads.submit(Client(services, seen, i).work, asked[i::CLIENTS], think_seconds) for i in range(CLIENTS)
        ]
        jobs = [threads.submit(JobOwner(services, seen, i).sweep, body) for i, body in enumerate(sweeps)]
        for each in working:
            each.result()
        calm()
        for each in jobs:
            each.result()
    return seen


@dataclass(frozen=True)
class Footprint:
    """Memory and file descriptors of a service and its workers."""

    processes: int
    resident_bytes: int
    descriptors: int


def footprint(service: Service, workers: int) -> Footprint:
    """Measure when all workers exist and no computation is running."""
    eventually(lambda: len(service.workers()) == workers)
    eventually(lambda: service.readiness()["cache"] == "ok")
    eventually(lambda: not any(service.metric(f'lindyn_computations{{state="{state}"}}') for state in WORKING))
    used = [(process.memory_info().rss, process.num_fds()) for process in _all(service)]
    return Footprint(len(used), sum(rss for rss, _ in used), sum(fds for _, fds in used))


def _all(service: Service) -> list[psutil.Process]:
    return [psutil.Process(service.process.pid), *service.workers()]
