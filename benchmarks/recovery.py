"""Recovery of parameters from simulated curves: bias, coverage of the intervals, regimes and times of fits.

The loss of a 3-3-3 network is integrated by DOP853, apart from the service, and gets Gaussian noise of 1 % or 5 % of
half the squared norm of the task. lambda (0.1 to 5), the scale of the initial weights (0.1 to 0.3) and the time
constant (2 to 10) are log-uniform. Each fit of all three to 120 points is a job of a service with one worker.
"""

import argparse
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import lindyn
from lindyn.results.fit import rows_of

SIGMA_YX = np.array([[2.0, 0.4, 0.0], [-0.3, 1.2, 0.2], [0.1, 0.0, 0.7]])
PATHS = ("network.lambda", "network.scale", "time_constant")
RANGES = np.log([[0.1, 5.0], [0.1, 0.3], [2.0, 10.0]])
FREE = {"network.lambda": (0.005, 100), "network.scale": (0.02, 2), "time_constant": (0.2, 200)}
TIMES = 120
DURATION = 8.0  # in units of the time constant and of the rate of the mode of strength 1
MODELS = ("rich", "lazy", "shallow")


def drawn_product(client: lindyn.Client, seed: int) -> Any:
    """The network function of the initial weights at lambda 0 and scale 1."""
    w1, w2 = client.initialization(lindyn.balanced([3, 3, 3], lam=0.0, seed=seed)).weights
    return w2 @ w1


def loss_curve(product: Any, lam: float, scale: float, tau: float, times: Any) -> Any:
    """Integrate the gradient flow of both layers from balanced weights with a network function scale^2 product."""
    u, s, vt = np.linalg.svd(scale**2 * product)
    larger = np.sqrt((np.sqrt(4 * s**2 + lam**2) + lam) / 2)

    def velocity(_t: float, y: Any) -> Any:
        w1, w2 = y.reshape(2, 3, 3)
        error = SIGMA_YX - w2 @ w1
        return np.concatenate([(w2.T @ error).ravel(), (error @ w1.T).ravel()]) / tau

    start = np.concatenate([((s / larger)[:, None] * vt).ravel(), (u * larger).ravel()])
    found = solve_ivp(velocity, (0, times[-1]), start, method="DOP853", t_eval=times, rtol=1e-11, atol=1e-13)
    weights = found.y.T.reshape(-1, 2, 3, 3)
    return np.array([0.5 * np.sum((SIGMA_YX - w2 @ w1) ** 2) for w1, w2 in weights])


@dataclass
class Recovered:
    """Standardised errors of the logarithms, coverage of the intervals and seconds of each fit."""

    errors: list[Any] = field(default_factory=list[Any])
    covered: list[Any] = field(default_factory=list[Any])
    seconds: list[float] = field(default_factory=list[float])

    def add(self, fit: lindyn.Fit, truth: Any, seconds: float) -> None:
        """Count a fit; a parameter that a warning names has no error that its standard error could describe."""
        named = {path for each in fit.warnings if "the sign of" not in each.detail for path in each.parameters}
        rows = {name: (estimate, error, interval) for name, estimate, error, interval in rows_of(fit.full)}
        self.seconds.append(seconds)
        self.errors.append(
            [
                np.nan if path in named else (np.log(rows[path][0]) - np.log(value)) * rows[path][0] / rows[path][1]
                for path, value in zip(PATHS, truth, strict=True)
            ]
        )
        self.covered.append(
            [rows[path][2][0] <= value <= rows[path][2][1] for path, value in zip(PATHS, truth, strict=True)]
        )

    def show(self, name: str) -> None:
        """Print one row for each parameter."""
        errors, covered = np.array(self.errors, dtype=np.float64), np.array(self.covered)
        for i, path in enumerate(PATHS):
            known = errors[np.isfinite(errors[:, i]), i]
            print(
                f"{name} {path}: mean error {np.mean(known):+.3f} standard errors (2 SE of the mean: "
                f"{2 / np.sqrt(len(known)):.3f}), spread {np.std(known):.2f}, "
                f"{len(errors) - len(known)} with warnings; coverage {100 * np.mean(covered[:, i]):.1f} %"
            )
        most = np.quantile(self.seconds, 0.95)
        print(f"{name}: {len(errors)} fits, median {np.median(self.seconds):.2f} s, 95 % within {most:.2f} s")


def recover(client: lindyn.Client, noise: float, curves: int, starts: int) -> None:
    """Fit simulated curves and print what was recovered."""
    found, generator = Recovered(), np.random.default_rng(round(1000 * noise))
    for seed in range(curves):
        truth = np.exp(generator.uniform(*RANGES.T))
        lam, scale, tau = truth
        times = np.linspace(0, DURATION * tau / np.hypot(1, lam / 2), TIMES + 1)[1:]
        values = loss_curve(drawn_product(client, seed), lam, scale, tau, times)
        sigma = noise * 0.5 * np.sum(SIGMA_YX**2)
        values += sigma * generator.standard_normal(TIMES)
        fit, seconds = timed_fit(client, seed, times, values, sigma, starts=starts)
        found.add(fit, truth, seconds)
    found.show(f"noise {100 * noise:g} %")


def timed_fit(
    client: lindyn.Client, seed: int, times: Any, values: Any, sigma: float, **options: Any
) -> tuple[lindyn.Fit, float]:
    """Fit a curve, and measure the time from the request until the client has the result."""
    base = {"network": {"kind": "balanced", "dims": [3, 3, 3], "seed": seed}, "task": SIGMA_YX}
    curve = {"quantity": "loss", "times": times, "values": values, "sigma": sigma}
    started = time.perf_counter()
    fit = client.fit(base=base, observations=curve, free=FREE, **options).result(progress=False)
    return fit, time.perf_counter() - started


def choose_regimes(client: lindyn.Client, curves: int, noise: float) -> None:
    """Print how often the regime of rich (lambda 0) and lazy (lambda 50) curves is chosen among the ready-made ones."""
    right, generator = 0, np.random.default_rng(7)
    for seed in range(curves):
        name, lam, rate = ("rich", 0.0, 1.0) if seed % 2 else ("lazy", 50.0, 25.0)
        tau = float(np.exp(generator.uniform(*RANGES[2])))
        times = np.linspace(0, DURATION * tau / rate, TIMES + 1)[1:]
        values = loss_curve(drawn_product(client, seed), lam, 0.15, tau, times)
        sigma = noise * 0.5 * np.sum(SIGMA_YX**2)
        values += sigma * generator.standard_normal(TIMES)
        fit, _ = timed_fit(client, seed, times, values, sigma, models=MODELS, starts=4)
        best = next(each.model for each in fit.ranking if each.model != "full")
        right += best == name or (name == "lazy" and best == "shallow")
    print(f"regime chosen at noise {100 * noise:g} %: {right} of {curves}")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=200)
    parser.add_argument("--starts", type=int, default=8)
    options = parser.parse_args()
    with lindyn.Client.local(workers=1, job_workers=1) as client:
        for noise in (0.01, 0.05):
            recover(client, noise, options.curves, options.starts)
            choose_regimes(client, max(options.curves // 5, 2), noise)


if __name__ == "__main__":
    main()
