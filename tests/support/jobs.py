"""Sweeps through a real service, and the same points requested alone."""

import time
from typing import Any

import httpx
import numpy as np

from lindyn_service.jobs.job_limits import SweepLimits

LIMITS = SweepLimits(
    points=1000, result_bytes=10**6, request_bytes=10**6, point_bytes=10**5, point_flops=1e9, job_flops=1e15
)
FINAL = ("done", "failed", "cancelled")
JOB_SECONDS = 1800.0  # only ends a test that fails: workers of jobs have a low priority


def sweep(lams=(-1.0, 0.0, 2.0), seeds=4, n=3, num=5, collect=("final_loss",), **changes: Any) -> dict[str, Any]:
    """Build a sweep over lambda and seeds."""
    base = {
        "network": {"kind": "balanced", "dims": [n, n, n]},
        "task": {"kind": "regression", "samples": 2 * n, "seed": 5},
        "times": {"stop": 3.0, "num": num},
    }
    axes = [{"path": "network.lambda", "values": list(lams)}, {"path": "network.seed", "values": list(range(seeds))}]
    return {"base": base, "axes": axes, "collect": list(collect), **changes}


def slow_sweep(seeds=2000) -> dict[str, Any]:
    """Build a sweep of points of some tens of milliseconds; by default it takes minutes."""
    return sweep(lams=(0.5, 1.0), seeds=seeds, n=60, num=200, collect=("loss",))


def submit(client: httpx.Client, body: dict[str, Any], path: str = "/v1/sweeps") -> str:
    """Post a job and return its id."""
    response = client.post(path, json=body)
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    return response.json()["id"]


def state(client: httpx.Client, job: str) -> dict[str, Any]:
    """Get the current state of a job."""
    response = client.get(f"/v1/jobs/{job}")
    assert response.status_code == 200, response.text
    return response.json()


def until(client: httpx.Client, job: str, condition, seconds: float = JOB_SECONDS) -> dict[str, Any]:
    """Wait until a job that has not ended satisfies a condition."""
    deadline = time.monotonic() + seconds
    while not condition(job_state := state(client, job)):
        assert job_state["state"] not in FINAL, job_state
        assert time.monotonic() < deadline, job_state
        time.sleep(0.02)
    return job_state


def finished(client: httpx.Client, job: str, seconds: float = JOB_SECONDS) -> dict[str, Any]:
    """Wait for the end of a job."""
    deadline = time.monotonic() + seconds
    while (job_state := state(client, job))["state"] not in FINAL:
        assert time.monotonic() < deadline, job_state
        time.sleep(0.02)
    return job_state


def result(client: httpx.Client, job: str) -> dict[str, Any]:
    """Get the result of a job as JSON."""
    response = client.get(f"/v1/jobs/{job}/result")
    assert response.status_code == 200, response.text
    return response.json()


def alone(client: httpx.Client, body: dict[str, Any], lam: float, seed: int) -> np.ndarray:
    """Get the loss of one point of `sweep` by a request for this point alone."""
    network = {**body["base"]["network"], "lambda": lam, "seed": seed}
    response = client.post("/v1/trajectories", json={**body["base"], "network": network, "quantities": ["loss"]})
    assert response.status_code == 200, response.text
    return np.array(response.json()["quantities"]["loss"])
