"""Fits computed in this process, and learning curves of balanced networks by an ODE solver."""

from typing import Any

import numpy as np
import orjson

from lindyn.wire.fit import FitRequest
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.jobs.fit_admission import read_and_admit_fit
from lindyn_service.jobs.fit_plan import FitPlan
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.translate.body import JSON, Body
from lindyn_service.translate.problem import rng
from lindyn_service.translate.table import result_as_json
from support.oracle import integrate

LIMITS = SweepLimits(
    points=10_000, result_bytes=10**8, request_bytes=10**7, point_bytes=10**7, point_flops=1e12, job_flops=1e16
)

SIGMA_YX = np.array([[2.0, 0.4, 0.0], [-0.3, 1.2, 0.2], [0.1, 0.0, 0.7]])
SEED = 11


def body_of(document: Any) -> Body:
    """Encode a request as it is received."""
    return Body(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), JSON, 10**9, 10**6)


def admitted(document: Any, limits: SweepLimits = LIMITS) -> FitRequest:
    """Admit a request, and return it as it is stored."""
    return FitRequest.model_validate(orjson.loads(read_and_admit_fit(body_of(document), limits).document))


def computed(plan: FitPlan) -> dict[int, bytes]:
    """Compute all points of a plan, one after the other."""
    records: dict[int, bytes] = {}
    for number in range(plan.total):
        needed = {need: records[need] for need in plan.needs.get(number, ())}
        (records[number],) = plan.compute([number], 1e9, needed)
    return records


def fitted(document: Any) -> dict[str, Any]:
    """Compute a fit, and return its result as JSON."""
    plan = FitPlan(admitted(document), LIMITS.result_bytes)
    records = computed(plan)
    archive = plan.table("job", (records[number] for number in range(plan.total)))
    return orjson.loads(result_as_json(archive.pack()))


def base(dims=(3, 3, 3), task=SIGMA_YX, **network: Any) -> dict[str, Any]:
    """Build the base request of a fit of a balanced network."""
    return {
        "network": {"kind": "balanced", "dims": list(dims), "seed": SEED, **network},
        "task": np.asarray(task).tolist(),
    }


def request(times, values, free=None, sigma=None, quantity="loss", **changes: Any) -> dict[str, Any]:
    """Build a fit of lambda, scale and time constant to one curve."""
    curve = {"quantity": quantity, "times": np.asarray(times).tolist(), "values": np.asarray(values).tolist()}
    observation = curve if sigma is None else {**curve, "sigma": sigma}
    return {"base": base(), "observations": [observation], "free": free or three_parameters(), **changes}


def three_parameters(lam=(0.01, 100.0), scale=(0.02, 2.0), tau=(0.5, 50.0)) -> list[dict[str, Any]]:
    """Build free parameters on logarithmic scales."""
    bounds = {"network.lambda": lam, "network.scale": scale, "time_constant": tau}
    return [{"path": path, "bounds": list(each), "scale": "log"} for path, each in bounds.items()]


def drawn(seed: int = SEED) -> np.ndarray:
    """Return the network function of the initial weights of a seed at scale 1; it is given, not what is estimated."""
    w1, w2 = balanced_weights((3, 3, 3), 0.0, 1.0, rng(seed))
    return w2 @ w1


def layers(product: np.ndarray, lam: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Construct balanced layers whose product is a draw of variance 1, times the square of the scale.

    Their hidden units are not rotated, on which the network function does not depend.
    """
    u, s, vt = np.linalg.svd(scale**2 * product)
    larger = np.sqrt((np.sqrt(4 * s**2 + lam**2) + abs(lam)) / 2)
    first, second = (s / larger, larger) if lam >= 0 else (larger, s / larger)
    return first[:, None] * vt, u * second


def loss(product: np.ndarray, times, lam: float, scale: float, tau: float, sigma_yx=SIGMA_YX) -> np.ndarray:
    """Compute the loss of a balanced network of equal widths at times > 0 by an ODE solver."""
    w1, w2 = layers(product, lam, scale)
    path = integrate(w1, w2, sigma_yx, np.asarray(times) / tau)
    return np.array([0.5 * np.sum((sigma_yx - b @ a) ** 2) for a, b in path])
