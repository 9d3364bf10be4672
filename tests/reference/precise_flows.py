"""Writes precise_flows.json: gradient flows by Taylor series in 60 digits, rounded to float64 at the end.

Run from anywhere: python tests/reference/precise_flows.py (some minutes).
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np

DIGITS = 60
ORDER = 60
STEP_ERROR = mp.mpf(10) ** -55  # of a step, relative to the weights


def matrix(rows):
    return np.array([[mp.mpf(x) for x in row] for row in rows], dtype=object)


def size(values):
    return max(abs(x) for x in values.flat)


def convolved(first, second):
    """The last coefficient of the product of two series of matrices of equal length."""
    return np.hstack(first) @ np.vstack(second[::-1])


def series(layers, sigma_yx, sigma_xx):
    """Taylor coefficients of each layer, by the recurrence that the flow gives."""
    depth = len(layers)
    w = [[layer] for layer in layers]
    products = [w[0], *([] for _ in layers[1:])]
    errors = [[] for _ in layers]
    for order in range(ORDER):
        for k in range(1, depth):
            products[k].append(convolved(w[k], products[k - 1][: order + 1]))
        function = products[-1][order] if sigma_xx is None else products[-1][order] @ sigma_xx
        errors[-1].append((sigma_yx if order == 0 else 0 * sigma_yx) - function)
        velocities = [None] * depth
        for k in range(depth - 1, 0, -1):
            velocities[k] = convolved(errors[k], [p.T for p in products[k - 1][: order + 1]])
            errors[k - 1].append(convolved([layer.T for layer in w[k][: order + 1]], errors[k]))
        velocities[0] = errors[0][order]
        for k in range(depth):
            w[k].append(velocities[k] / (order + 1))
    return w


def radius(coefficients):
    """Step whose last two terms are as small as the error of a step."""
    last = [(c[order], order) for c in coefficients for order in (ORDER - 1, ORDER)]
    largest = max(size(c[0]) for c in coefficients)
    bounds = [(STEP_ERROR * largest / size(c)) ** (mp.mpf(1) / order) for c, order in last if size(c) > 0]
    return min(bounds, default=mp.inf)


def flow(case):
    """Layers and residuals at the times of a case."""
    layers = [matrix(w) for w in case["weights"]]
    sigma_yx = matrix(case["sigma_yx"])
    sigma_xx = None if case["sigma_xx"] is None else matrix(case["sigma_xx"])
    now, trajectory, residuals = mp.mpf(0), [], []
    for time in map(mp.mpf, case["times"]):
        while now < time:
            coefficients = series(layers, sigma_yx, sigma_xx)
            step = min(radius(coefficients), time - now)
            powers = [step**order for order in range(ORDER + 1)]
            layers = [sum(p * term for p, term in zip(powers, c, strict=True)) for c in coefficients]
            now = time if step == time - now else now + step
        product = layers[0]
        for layer in layers[1:]:
            product = layer @ product
        trajectory.append([layer.astype(float).tolist() for layer in layers])
        residuals.append((sigma_yx - (product if sigma_xx is None else product @ sigma_xx)).astype(float).tolist())
    return {"trajectory": trajectory, "residuals": residuals}


def drawn(name, seed, dims, scale, times, *, coloured=False, zero=None, factor=1.0):
    """Gaussian layers, a Gaussian task, and inputs of unequal variances if asked for."""
    rng = np.random.default_rng(seed)
    weights = [scale * rng.standard_normal(shape) for shape in zip(dims[1:], dims[:-1], strict=True)]
    if zero is not None:
        weights[zero] *= 0
    inputs = rng.standard_normal((dims[0], dims[0] + 3))
    return {
        "name": name,
        "weights": [w.tolist() for w in weights],
        "sigma_yx": (factor * rng.standard_normal((dims[-1], dims[0]))).tolist(),
        "sigma_xx": (inputs @ inputs.T / dims[0]).tolist() if coloured else None,
        "times": times,
    }


def twins(name, difference, times):
    """Two hidden units that differ in one weight only: the second mode is learned from that difference alone."""
    into = np.array([[0.3, -0.5, 0.0], [0.3, -0.5, difference]])
    out = np.array([[0.2, 0.2], [-0.4, -0.4], [0.7, 0.7]])
    sigma_yx = [[1.5, 0.25, -0.5], [0.25, -1.0, 0.75], [0.5, 1.25, 1.0]]
    task = {"sigma_yx": sigma_yx, "sigma_xx": None, "times": times}
    return {"name": name, "weights": [into.tolist(), out.tolist()], **task}


def near_a_saddle():
    """Three modes of which the last is found from an overlap of 1e-9."""
    return {
        "name": "overlap of 1e-9 with the last mode",
        "weights": [
            [
                [0.47062604158019455, -0.5439549690300831, -0.05315878390749605],
                [0.19380361786721928, -0.39448458869992187, -0.5605857076417465],
                [-0.8871370479393489, 0.04105754962619895, -0.16660563977584114],
            ],
            [
                [0.38739796816985483, -0.16502641218462477, -0.3795058850673423],
                [-0.3408117720365749, -0.5511460347450411, -0.2970146864197911],
                [0.5039562351550414, 0.4200459514132422, -0.7643381867100283],
            ],
        ],
        "sigma_yx": [
            [0.43775211288819355, 0.285598627909932, -0.9456437215917038],
            [-0.9615590166940126, 0.904154679487988, -0.6103906046088942],
            [0.9638599690269203, 1.6061092167122462, 0.6777045743471741],
        ],
        "sigma_xx": None,
        "times": [0.5, 5.0, 15.0, 21.0, 30.0],
    }


CASES = [
    near_a_saddle(),
    twins("twins 1e-24", 1e-24, [5.0, 30.0, 45.0]),
    drawn("wide", 1, (2, 6, 3), 0.4, [0.0, 0.7, 3.0, 12.0]),
    drawn("bottleneck, coloured", 2, (4, 1, 3), 0.3, [0.3, 2.0, 6.0], coloured=True),
    drawn("three layers", 3, (2, 3, 1, 2), 0.5, [0.5, 4.0]),
    drawn("three small layers, coloured", 4, (2, 2, 2, 2), 0.05, [3.0, 15.0], coloured=True),
    drawn("a layer of zeros, coloured", 5, (3, 2, 2), 0.6, [0.2, 1.5, 8.0], coloured=True, zero=1),
    drawn("huge", 7, (2, 3, 2), 1e9, [1e-19, 1e-18, 1e-17], factor=1e18),
]

if __name__ == "__main__":
    mp.mp.dps = DIGITS
    cases = [{**case, **flow(case)} for case in CASES]
    note = "Taylor series of the gradient flow in 60 digits, tau = 1; residuals are sigma_yx - W sigma_xx"
    text = json.dumps({"about": note, "cases": cases})
    Path(__file__).with_suffix(".json").write_text(text + "\n")
