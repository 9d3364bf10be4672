"""Training with learning rates, schedules and weight decay, straight from the definition."""

import numpy as np

from support.full_flow import weight_flow


def factor(schedule, time):
    """The factor of a schedule as a request has it; None for 1."""
    match schedule:
        case None:
            return 1.0
        case {"kind": "cosine", "period": period, **rest}:
            floor = rest.get("floor", 0.0)
            return floor + (1 - floor) * (1 + np.cos(np.pi * min(time / period, 1.0))) / 2
        case {"kind": "exponential", "half_life": half_life}:
            return 2.0 ** (-time / half_life)
        case {"kind": "piecewise", "times": times, "factors": factors}:
            return factors[sum(time >= t for t in times)]


def corners(schedule):
    """Times at which a factor is not smooth."""
    if schedule is None or schedule["kind"] == "exponential":
        return []
    return [schedule["period"]] if schedule["kind"] == "cosine" else schedule["times"]


def trained(weights, sigma_yx, sigma_xx, times, *, tau=1.0, rates=None, schedule=None, decay=0.0):
    """Layers at ascending times, by tight integration from one time or corner of the schedule to the next.

    The interpolant between steps has larger errors than the steps.
    """
    rates = np.ones(len(weights)) if rates is None else np.array(rates)
    found, now, start = [[] for _ in weights], list(weights), 0.0
    for end in sorted({*(t for t in corners(schedule) if t < times[-1]), *times}):
        if end > start:
            held = schedule is not None and schedule["kind"] == "piecewise"
            pace = lambda t, a=start, m=(start + end) / 2, held=held: factor(schedule, m if held else a + t)  # noqa: E731
            spent = np.array([end - start])
            parts = weight_flow(now, sigma_yx, sigma_xx, spent, decay=decay, rates=rates / tau, schedule=pace)
            now, start = [p[-1] for p in parts], end
        if end in times:
            for kept, w in zip(found, now, strict=True):
                kept.append(w)
    return [np.array(layer) for layer in found]


def descended(weights, sigma_yx, sigma_xx, steps, eta, *, tau=1.0, rates=None, schedule=None, decay=0.0):
    """Layers after some numbers of steps of full-batch descent of a linear network."""
    now, found = [w.copy() for w in weights], []
    rates = np.ones(len(weights)) if rates is None else rates
    for step in range(max(steps) + 1):
        if step in steps:
            found.append([w.copy() for w in now])
        below = [np.eye(now[0].shape[1])]
        for w in now:
            below.append(w @ below[-1])
        error, gradients = below[-1] @ sigma_xx - sigma_yx, []
        for w, before in zip(now[::-1], below[-2::-1], strict=True):
            gradients.insert(0, error @ before.T)
            error = w.T @ error
        pace = eta / tau * factor(schedule, eta * step)
        now = [w - pace * c * (g + decay * w) for w, c, g in zip(now, rates, gradients, strict=True)]
    return [np.array(layer) for layer in zip(*found, strict=True)]


def losses(layers, sigma_yx, sigma_xx):
    """Excess losses at all times."""
    function = layers[0]
    for w in layers[1:]:
        function = w @ function
    error = function - sigma_yx @ np.linalg.pinv(sigma_xx)
    return 0.5 * np.einsum("toi,ij,toj->t", error, sigma_xx, error)
