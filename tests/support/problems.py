"""Random learning problems for hypothesis: every width, rank, scale and balance."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.riccati import Solution, solve


@dataclass(frozen=True)
class Drawn:
    w1: np.ndarray
    w2: np.ndarray
    sigma_yx: np.ndarray
    lam: float

    @property
    def rate(self) -> float:
        """Largest rate of the dynamics."""
        return float(np.hypot(np.linalg.norm(self.sigma_yx, 2), self.lam / 2))

    def solve(self) -> Solution:
        return solve(self.w1, self.w2, self.sigma_yx, self.lam)


def sizes(largest):
    return st.tuples(*[st.integers(1, largest)] * 3)


balances = st.one_of(st.just(0.0), st.floats(-6, 6).map(lambda x: 10**x), st.floats(-6, 6).map(lambda x: -(10**x)))


@st.composite
def drawn(draw, largest=8, lam=balances, scales=(-6.0, 1.0)):
    dims = draw(sizes(largest))
    balance = draw(lam)
    n_in, n_hidden, n_out = dims
    if (balance > 0 and n_hidden > n_out) or (balance < 0 and n_hidden > n_in):
        n_hidden = n_out if balance > 0 else n_in
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    w1, w2 = balanced_weights((n_in, n_hidden, n_out), balance, 10 ** draw(st.floats(*scales)), rng)
    rank = draw(st.integers(0, min(n_in, n_out)))
    left, right = rng.standard_normal((n_out, rank)), rng.standard_normal((rank, n_in))
    return Drawn(w1, w2, 10 ** draw(st.floats(-2, 1)) * left @ right, balance)


def far_apart(rng, widest, signs):
    """Draw a problem and times: scales over 18 decades, balances of the given signs over 16, times over 5."""
    n_in, n_hidden, n_out = (int(n) for n in rng.integers(1, widest + 1, 3))
    sign = rng.choice(signs)
    if sign:
        n_hidden = min(n_hidden, n_out if sign > 0 else n_in)
    lam = float(sign * 10 ** rng.uniform(-8, 8))
    w1, w2 = balanced_weights((n_in, n_hidden, n_out), lam, 10 ** rng.uniform(-9, 9), rng)
    problem = Drawn(w1, w2, rng.standard_normal((n_out, n_in)) * 10 ** rng.uniform(-3, 3), lam)
    return problem, np.sort(10 ** rng.uniform(-3, 1.7, 4)) / problem.rate


def weights_at(solution, time):
    """Weights at one time, up to a rotation of the hidden units."""
    factors = solution.at(np.array([time]))
    return (solution.modes.v @ factors.into[0]).T, solution.modes.u @ factors.out[0]


def qqt_at(solution, time):
    w1, w2 = weights_at(solution, time)
    q = np.vstack([w1.T, w2])
    return q @ q.T
