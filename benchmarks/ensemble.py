"""Throughput for many networks on one task: evaluation in blocks, one by one, and by ODE solvers.

Each width n has networks with lambda = 1 and scale 0.5 / sqrt(n), a Gaussian sigma_yx with singular values up to about
2, and the loss at 200 times up to 10. `points` and `points alone` include everything that a sweep does for a point:
validation, drawing, solution and encoding. The other rows start from given weights. All run in turn on one core, and
the fastest of three runs counts. The table shows microseconds of processor time per network, and ratios of these times.

Diffrax, vectorised over the networks, is included if it is installed (dependency group `bench`); compilation is not
counted. Scipy integrates the networks one by one.
"""

import argparse
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits

from lindyn.wire.sweep import SweepRequest
from lindyn_service.dynamics.block_coordinates import block_coordinates, block_modes
from lindyn_service.dynamics.block_dense import dense_losses
from lindyn_service.dynamics.block_solution import BlockSolution
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.convergence import excess_loss_at
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.translate import point_blocks
from lindyn_service.translate.sweep import compute_points, indices

COUNTS = {2: 2000, 5: 1000, 10: 300, 25: 40, 50: 12}
TIMES = np.linspace(0, 10, 200)
REPEATS, ONE_BY_ONE = 3, 40

Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(COUNTS))
    sizes = parser.parse_args().sizes
    with threadpool_limits(1):
        for n in sizes:
            rows = measured(n, COUNTS.get(n, 12))
            print(f"n = {n}", flush=True)
            for name, (seconds, base) in rows.items():
                ratio = f"{seconds / rows[base][0]:7.1f} times {base}" if base != name else ""
                print(f"  {name:14s} {seconds * 1e6:10.1f} us  {1 / seconds:9.0f} /s  {ratio}", flush=True)


def measured(n: int, count: int) -> dict[str, tuple[float, str]]:
    """Seconds per network of each row, with the name of the row that it is compared with."""
    sigma_yx, w1, w2 = drawn(n, count)
    few = slice(0, ONE_BY_ONE)
    rows = {
        "points": (fastest(lambda: points(n, sigma_yx, count), count), "points"),
        "points alone": (fastest(lambda: points_alone(n, sigma_yx, ONE_BY_ONE), ONE_BY_ONE), "points"),
        "blocks": (fastest(lambda: blocks(sigma_yx, w1, w2), count), "blocks"),
        "one by one": (fastest(lambda: one_by_one(sigma_yx, w1[few], w2[few]), len(w1[few])), "blocks"),
        "DOP853 1e-10": (fastest(lambda: scipy_loop(sigma_yx, w1[:4], w2[:4]), 4), "blocks"),
    }
    if find_spec("diffrax") is not None:
        for method, tolerance in (("Tsit5", 1e-6), ("Dopri8", 1e-10)):
            run = diffrax_mapped(method, tolerance)
            run(sigma_yx, w1, w2)
            rows[f"{method} {tolerance:g}"] = (fastest(lambda run=run: run(sigma_yx, w1, w2), count), "blocks")
    return rows


def fastest(run: Callable[[], Any], count: int) -> float:
    seconds: list[float] = []
    for _ in range(REPEATS):
        begun = time.process_time()
        run()
        seconds.append((time.process_time() - begun) / count)
    return min(seconds)


def drawn(n: int, count: int) -> Weights:
    rng = np.random.default_rng(0)
    sigma_yx = rng.standard_normal((n, n)) / np.sqrt(n)
    weights = [balanced_weights((n, n, n), 1.0, 0.5 / np.sqrt(n), rng) for _ in range(count)]
    return sigma_yx, np.stack([w1 for w1, _ in weights]), np.stack([w2 for _, w2 in weights])


def points(n: int, sigma_yx: np.ndarray, count: int) -> None:
    network = {"kind": "balanced", "dims": [n, n, n], "lambda": 1.0, "scale": 0.5 / np.sqrt(n)}
    base = {"network": network, "task": sigma_yx.tolist(), "times": {"stop": 10, "num": len(TIMES)}}
    axes = [{"path": "network.seed", "values": list(range(count))}]
    request = SweepRequest.model_validate({"base": base, "axes": axes, "collect": ["loss"]})
    for _ in compute_points(request, indices(request)):
        pass


def points_alone(n: int, sigma_yx: np.ndarray, count: int) -> None:
    covered, point_blocks.COVERED = point_blocks.COVERED, frozenset()
    points(n, sigma_yx, count)
    point_blocks.COVERED = covered


def blocks(sigma_yx: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> None:
    start, generic = block_coordinates(block_modes(sigma_yx, np.ones(len(w1))), w1, w2)
    _, good = dense_losses(BlockSolution(start), TIMES)
    if not (np.all(good) and np.all(generic)):
        raise SystemExit("blocks do not cover some of these networks, so that the comparison would be unfair")


def one_by_one(sigma_yx: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> None:
    for first, second in zip(w1, w2, strict=True):
        excess_loss_at(closed_form(first, second, sigma_yx, 1.0), TIMES)


def scipy_loop(sigma_yx: np.ndarray, w1: np.ndarray, w2: np.ndarray) -> None:
    n = len(sigma_yx)

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        first, second = state.reshape(2, n, n)
        error = sigma_yx - second @ first
        return np.concatenate([(second.T @ error).ravel(), (error @ first.T).ravel()])

    for first, second in zip(w1, w2, strict=True):
        start = np.concatenate([first.ravel(), second.ravel()])
        solve_ivp(velocity, (0, TIMES[-1]), start, method="DOP853", t_eval=TIMES, rtol=1e-10, atol=1e-10)


def diffrax_mapped(method: str, tolerance: float) -> Callable[[np.ndarray, np.ndarray, np.ndarray], Any]:
    import diffrax  # noqa: PLC0415 (optional, and slow to import)
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)

    def velocity(_: Any, state: Any, sigma_yx: Any) -> Any:
        w1, w2 = state
        error = sigma_yx - w2 @ w1
        return w2.T @ error, error @ w1.T

    def losses(w1: Any, w2: Any, sigma_yx: Any) -> Any:
        flow = diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            getattr(diffrax, method)(),
            t0=0.0,
            t1=TIMES[-1],
            dt0=None,
            y0=(w1, w2),
            args=sigma_yx,
            saveat=diffrax.SaveAt(ts=jnp.asarray(TIMES)),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=10**6,
        )
        return 0.5 * jnp.sum((sigma_yx - flow.ys[1] @ flow.ys[0]) ** 2, axis=(1, 2))

    mapped = jax.jit(jax.vmap(losses, in_axes=(0, 0, None)))
    return lambda sigma_yx, w1, w2: np.asarray(mapped(w1, w2, sigma_yx))


if __name__ == "__main__":
    main()
