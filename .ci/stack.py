"""The main job and a sweep through the compose stack, while a worker and the api are killed."""

import os
import subprocess
import threading
import time

import numpy as np

import lindyn

URL = f"http://127.0.0.1:{os.environ['LINDYN_PORT']}"
GRID = {"network.lambda": np.linspace(-4, 4, 20).tolist(), "network.seed": list(range(40))}
BASE = {
    "network": {"kind": "balanced", "dims": [20, 20, 20], "lambda": 0.0},
    "task": {"kind": "regression", "samples": 40, "seed": 1},
    "times": {"stop": 5.0, "num": 400},
}


def containers(service: str) -> list[str]:
    listed = subprocess.run(["docker", "compose", "ps", "-q", service], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def kill(service: str) -> None:
    subprocess.run(["docker", "kill", "--signal", "KILL", containers(service)[0]], check=True, capture_output=True)
    print(f"killed a container of {service}", flush=True)


def revive() -> None:
    # `restart: unless-stopped` does not bring back what `docker kill` ended
    subprocess.run(
        ["docker", "compose", "up", "--wait", "--no-build", "--scale", "worker=2"], check=True, capture_output=True
    )


def answered(call, seconds: float = 60.0):
    """The answer of a service that may be starting again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (lindyn.UnreachableError, lindyn.BusyError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def main_job(client: lindyn.Client) -> None:
    rng = np.random.default_rng(0)
    sigma_yx = rng.standard_normal((5, 5))
    request = {"network": {"kind": "balanced", "dims": [5, 5, 5], "lambda": 2.0, "seed": 7}, "task": sigma_yx}
    first = client.trajectory(**request, times=[0.0, 1e6])
    again = client.trajectory(**request, times=[0.0, 1e6])
    assert np.allclose(first.output[-1], sigma_yx, atol=1e-12), "the network does not learn its task"
    assert again.cache == "hit", again.cache
    assert np.array_equal(first.output, again.output)


def large_answers(client: lindyn.Client) -> None:
    """Far more than memory or /tmp has room for: 200 answers of 15 MB, none of which is refused."""
    for seed in range(200):
        network = {**BASE["network"], "lambda": 0.5, "seed": seed}
        times = {"stop": 5.0, "num": 4700}
        answer = client.trajectory(network=network, task=BASE["task"], times=times, quantities=["output"])
        assert answer.output.nbytes > 15e6


def sweep_under_faults(client: lindyn.Client) -> None:
    job = client.sweep(base=BASE, axes=GRID, collect=["loss"])
    while job.status().completed < 100:
        time.sleep(0.1)
    kill("worker")
    while job.status().completed < 300:
        time.sleep(0.1)
    before = job.status()
    kill("api")
    thread = threading.Thread(target=revive)
    thread.start()
    again = answered(lambda: client.job(job.id))
    thread.join()
    table = answered(lambda: again.result(timeout_seconds=300))
    print(f"sweep: killed the api at {before.completed} of {before.total}, done in the end", flush=True)
    assert not table.problems, table.problems[:3]
    assert table["loss"].shape == (20, 40, 400)
    for i, j in ((0, 0), (7, 13), (19, 39)):
        point = {**BASE["network"], "lambda": GRID["network.lambda"][i], "seed": GRID["network.seed"][j]}
        direct = client.trajectory(network=point, task=BASE["task"], times=BASE["times"], quantities=["loss"])
        assert np.allclose(table["loss"][i, j], direct.loss, rtol=1e-13, atol=0), (i, j)


def large_result(client: lindyn.Client) -> None:
    """A result of 60 MB, which is a file: a worker is killed before, and the api after it is there."""
    base = {**BASE, "times": {"stop": 5.0, "num": 470}}
    job = client.sweep(base=base, axes={"network.seed": list(range(40))}, collect=["output"])
    while job.status().completed < 5:
        time.sleep(0.1)
    kill("worker")
    table = answered(lambda: job.result(timeout_seconds=600))
    assert not table.problems, table.problems[:3]
    assert table["output"].nbytes > 6e7
    for seed in (0, 19, 39):
        direct = client.trajectory(**{**base, "network": {**base["network"], "seed": seed}}, quantities=["output"])
        assert np.allclose(table["output"][seed], direct.output, rtol=1e-13, atol=1e-15), seed
    kill("api")
    revive()
    again = answered(lambda: client.job(job.id).result())
    assert np.array_equal(table["output"], again["output"])
    print("a result of 60 MB, whole before and after the api was killed", flush=True)


def main() -> None:
    with lindyn.Client(URL, timeout_seconds=60) as client:
        main_job(client)
        print("main job: right, and a hit the second time", flush=True)
        large_answers(client)
        print("200 large answers, none refused", flush=True)
        sweep_under_faults(client)
        large_result(client)
        main_job(client)
    print("the stack holds", flush=True)


if __name__ == "__main__":
    main()
