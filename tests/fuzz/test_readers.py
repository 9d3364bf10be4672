"""Damaged and hostile bodies, JSON and npz, passed directly to the parsers: only documented problems are raised."""

import json
import os
import signal
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from support.mutations import mutated

from lindyn.wire import npz
from lindyn.wire.job import ExperimentRequest
from lindyn_service.errors import ServiceError
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.http.problems import problem_response
from lindyn_service.jobs.admission import read_and_admit
from lindyn_service.jobs.fit_admission import read_and_admit_fit
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.operations.execute import ReceivedRequest, read_and_address
from lindyn_service.operations.registry import (
    BALANCE,
    CONTINUAL,
    DESIGN,
    ENSEMBLE,
    INITIALIZATION,
    LIMITS,
    STATISTICS,
    TRAJECTORY,
)
from lindyn_service.translate.body import JSON, Body
from lindyn_service.translate.experiment import parameters

EXAMPLES = [
    json.loads(p.read_text()) for p in sorted((Path(__file__).parents[2] / "openapi" / "examples").glob("*.json"))
]
EXPERIMENT = "figure-3.2"
ANSWERED = {
    "/v1/trajectories": TRAJECTORY,
    "/v1/initializations": INITIALIZATION,
    "/v1/balance": BALANCE,
    "/v1/balance/statistics": STATISTICS,
    "/v1/limits": LIMITS,
    "/v1/continual": CONTINUAL,
    "/v1/ensembles": ENSEMBLE,
    "/v1/designs": DESIGN,
}
STARTING = ("/v1/sweeps", "/v1/fits", f"/v1/experiments/{EXPERIMENT}")
BODIES = {path: [e["body"] for e in EXAMPLES if e["path"] == path] for path in (*ANSWERED, *STARTING)}

SEED = int(os.environ.get("FUZZ_SEED", "0" if os.environ.get("CI") else str(Random().randrange(10**12))))
INPUTS = int(os.environ.get("FUZZ_INPUTS", "200000"))
LARGEST = 2**20  # as LINDYN_MAX_BODY_BYTES
MAX_PARTS = 200_000  # as LINDYN_MAX_JSON_PARTS
SWEEPS = SweepLimits(
    points=1000, result_bytes=2**20, request_bytes=2**20, point_bytes=2**20, point_flops=1e8, job_flops=1e12
)

MAX_SECONDS = 10  # of the processor's time for one body
MAX_BYTES = 2**24  # of memory for a body of some kilobytes, that may say that it expands to LARGEST


class TooLongError(BaseException):
    """An exception that the parsers do not catch."""


@contextmanager
def alarmed() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, ring)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def outcome_of(path: str, content: bytes, media_type: str) -> str:
    """Parse a body as the service does before it computes; return the code of the problem, or `taken`."""
    body = Body(content, media_type, LARGEST, MAX_PARTS)
    try:
        if path in ANSWERED:
            read_and_address(ANSWERED[path], ReceivedRequest(body, bytes(16)))
        elif path == "/v1/sweeps":
            read_and_admit(body, SWEEPS)
        elif path == "/v1/fits":
            read_and_admit_fit(body, SWEEPS)
        else:
            parameters(EXPERIMENTS[EXPERIMENT], body.read(ExperimentRequest).parameters)
    except ServiceError as error:
        return check_problem(error)
    return "taken"


def check_problem(error: ServiceError) -> str:
    """Check that a problem is documented and can be encoded."""
    assert error.status in (400, 413, 422)
    assert len(error.detail) < 2000
    assert len(error.errors) <= 100
    assert len(problem_response(error, "x").body) < 50_000
    return error.code


def fuzz(first: int, count: int) -> dict[str, object]:
    """Parse one body for each seed; fail with the first seed whose body is not handled as documented."""
    random, outcomes, slowest, largest = Random(), Counter[str](), 0.0, 0
    with alarmed():
        for seed in range(first, first + count):
            random.seed(seed)
            path = random.choice(list(BODIES))
            body, form = mutated(random, BODIES[path])
            body = body[:LARGEST]
            tracemalloc.start()
            started = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
            try:
                outcome = outcome_of(path, body, npz.MEDIA_TYPE if form == "npz" else JSON)
            except BaseException as error:
                raise AssertionError(f"seed {seed}: {path}, {form}, {body[:2000]!r}") from error
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                _, used = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            assert used < MAX_BYTES + 50 * len(body), f"seed {seed}: {used} bytes of memory for {len(body)}"
            slowest = max(slowest, time.process_time() - started)
            largest = max(largest, used)
            outcomes[f"{form} {outcome}"] += 1
    return {"first": first, "inputs": count, "slowest_seconds": round(slowest, 3), "max_bytes": largest, **outcomes}


def test_some_bodies():
    """Some of each kind are accepted, so that the refused ones are nearly valid."""
    seen = fuzz(SEED, 3000)
    assert {"json taken", "npz taken", "json malformed-body", "npz malformed-body"} <= set(seen)
    assert {"json invalid-request", "npz invalid-request"} <= set(seen)


@pytest.mark.fuzz
def test_many_bodies(record_property):
    seen = fuzz(SEED, INPUTS)
    record_property("seen", seen)
    print(json.dumps(seen))
