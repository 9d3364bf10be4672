"""Faults injected around services, one after the other, in an order determined by a seed."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psutil
import redis

from support.processes import RedisServer, Service

MAX_CORRUPTED = 100
WAIT_SECONDS = 1.0  # maximum pause between two faults
START_SECONDS = 600.0  # only ends a test that fails
SERVICE_SECONDS = 4.0  # maximum pause between two faults of the service itself, which needs seconds to start
OUTAGE_SECONDS = (0.2, 2.0)


class Faults:
    """Faults: workers killed; Redis killed, frozen and corrupted; a service killed and stopped.

    Args:
        redis_server: server that all services share.
        services: services whose workers are killed.
        restarted: the one of them that is ended and restarted while another one serves.
        seed: seed of the order of faults.
    """

    def __init__(self, redis_server: RedisServer, services: list[Service], restarted: Service, seed: int) -> None:
        self._redis = redis_server
        self._services = services
        self._restarted = restarted
        self._starting: Service | None = None
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self.done: Counter[str] = Counter()  # number of faults by kind
        self.log = ""  # logs of services that ended

    def run(self) -> None:
        """Inject faults until `stop` is called; at the end all processes are running again."""
        around = [self.kill_a_worker] * 4 + [self.corrupt] * 3 + [self.restart_redis] * 2 + [self.freeze_redis] * 2
        with ThreadPoolExecutor(1) as thread:
            restarts = thread.submit(self._go_on, [self.kill_the_service, self.stop_the_service], SERVICE_SECONDS)
            self._go_on(around, WAIT_SECONDS)
            restarts.result()

    def _go_on(self, acts: list[Callable[[], None]], wait_seconds: float) -> None:
        while not self._stop.is_set():
            self._chance.shuffle(acts)
            for act in acts:
                if self._stop.wait(self._chance.uniform(0, wait_seconds)):
                    break
                act()

    def stop(self) -> None:
        self._stop.set()

    def kill_a_worker(self) -> None:
        """Kill a worker of a service if all its workers have started; else none would survive on a busy machine."""
        with suppress(psutil.NoSuchProcess, httpx.TransportError):  # the worker or its service has ended meanwhile
            service = self._chance.choice(self._services)
            workers = [] if service is self._starting else service.workers()
            if workers and _all_have_started(service, workers):
                self._chance.choice(workers).kill()
                self.done["workers killed"] += 1

    def restart_redis(self) -> None:
        self._redis.kill()
        self._pause()
        self._redis.start()
        self.done["Redis restarted"] += 1

    def freeze_redis(self) -> None:
        self._redis.freeze()
        self._pause()
        self._redis.thaw()
        self.done["Redis frozen"] += 1

    def corrupt(self) -> None:
        """Replace values by random bytes, by other responses, by their first half, or by a list."""
        with suppress(redis.RedisError):
            names = sorted(self._redis.client.keys("lindyn:value:*"))
            values = dict(zip(names, self._redis.client.mget(names), strict=True)) if names else {}
            for name in self._chance.sample(names, min(len(names), MAX_CORRUPTED)):
                kind, value = self._chance.randrange(4), values[name]
                if value is None:  # deleted, or already replaced by a list
                    continue
                self.done["values corrupted"] += 1
                if kind == 0:
                    self._redis.client.set(name, self._chance.randbytes(len(value)))
                elif kind == 1:
                    self._redis.client.set(name, values[self._chance.choice(names)] or b"")
                elif kind == 2:
                    self._redis.client.set(name, value[: len(value) // 2])
                else:
                    self._redis.client.delete(name)
                    self._redis.client.rpush(name, "no string")

    def kill_the_service(self) -> None:
        self._begin_again(self._restarted.kill)
        self.done["service killed"] += 1

    def stop_the_service(self) -> None:
        self._begin_again(
            lambda: self._restarted.stop(START_SECONDS)
        )  # stopping waits for workers that are just starting
        self.done["service stopped"] += 1

    def _begin_again(self, end: Callable[[], object]) -> None:
        end()
        self.log += self._restarted.log()
        self._starting = (
            self._restarted
        )  # while it starts, its workers are not killed, or it would hardly ever become ready
        self._restarted.start()
        self._restarted.wait_until_ready(START_SECONDS)
        self._starting = None

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(*OUTAGE_SECONDS))


def _all_have_started(service: Service, workers: Sequence[psutil.Process]) -> bool:
    """Whether all workers have started: those of requests by the metric, those of jobs by their low priority."""
    return sum(worker.nice() == 0 for worker in workers) == service.metric("lindyn_workers")
