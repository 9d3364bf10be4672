"""Independent modes of aligned networks, evaluated with small relative errors for strengths of any size.

A mode has the strength x in the minor layer (w1 for lam >= 0, w2 for lam < 0) and the strength y in the major layer.
They follow the two-dimensional case of the exact solution, where lam stands for |lam|:

    tau d(x, y)/dt = [[-lam/2, s], [s, lam/2]] (x, y) - (x^2 + y^2)/2 (x, y)
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.phi import phi

_SATURATED_GROWTH = 40.0  # at e^40 times its learned size, only the growing coordinate counts in float64
_MAX_DECAY = 700.0  # e^-700 is still a normal number
_CANCELLATION_THRESHOLD = 0.3  # relative to s; subtracting s is accurate for larger errors
_MAX_EXPONENT = 345.0  # the square of e^345 is 1e299


@dataclass(frozen=True)
class AlignedModes:
    """Strengths of both layers in each mode, and their coordinates along the eigenvectors (p, q) and (q, -p).

    Attributes:
        minor: strengths x of the minor layer.
        major: strengths y of the major layer.
        p: first entry of the eigenvector that grows at the rate kappa; the other one decays at this rate.
        q: second entry of the growing eigenvector.
        kappa: rates, per time constant.
        grow: coordinates p x + q y along the growing eigenvectors.
        decay: coordinates q x - p y along the decaying eigenvectors.
    """

    minor: Float[np.ndarray, " mode"]
    major: Float[np.ndarray, " mode"]
    p: Float[np.ndarray, " mode"]
    q: Float[np.ndarray, " mode"]
    kappa: Float[np.ndarray, " mode"]
    grow: Float[np.ndarray, " mode"]
    decay: Float[np.ndarray, " mode"]

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time mode"], Float[np.ndarray, "time mode"]]:
        """Strengths of both layers, without overflow at any time.

        They are (x, y) e^{-kappa t} + (p, q) grown (1 - E), divided by the square root of
        1 + (grown^2 + decay^2) (1 - E) / (2 kappa), where grown = grow e^{kappa t} and E = e^{-2 kappa t}. Nothing
        cancels in this form while x and y have the same sign.
        """
        phase = self.kappa * times[:, None]
        growth = np.minimum(phase, self._max_growth())
        half = np.exp(growth / 2)  # applied twice, since e^{growth} may overflow where `grow` is tiny
        grown = self.grow * half * half
        norm = np.sqrt(1 + (grown**2 + self.decay**2) * (times[:, None] * phi(2 * phase)))
        left = np.exp(growth - 2 * phase)  # e^{-kappa t}, scaled like `grown` by the growth beyond saturation
        grown *= -np.expm1(-2 * phase)
        return (self.minor * left + self.p * grown) / norm, (self.major * left + self.q * grown) / norm

    def errors(
        self, times: Float[np.ndarray, " time"], products: Float[np.ndarray, "time mode"]
    ) -> Float[np.ndarray, "time mode"]:
        """Errors x y - s, accurate relative to each error, however small.

        Let r = e^{-kappa t} / grow and h = t phi(2 kappa t) (1 + (decay r)^2) + r^2. In the eigenbasis, the squared
        coordinates are 1 / h and decay^2 grow^2 r^4 / h, and their product is decay grow r^2 / h.

        Args:
            times: times, in units of the time constant.
            products: strengths x y at these times.
        """
        s = 2 * self.kappa * self.p * self.q
        distances = products - s
        near = (self.grow != 0) & (np.abs(distances) < _CANCELLATION_THRESHOLD * s)
        exponent = -self.kappa * times[:, None] - np.log(np.where(near, np.abs(self.grow), 1.0))
        r = np.where(near, np.exp(2 * np.minimum(exponent, _MAX_EXPONENT)), 0.0)
        settled = times[:, None] * phi(2 * self.kappa * times[:, None])
        h = settled * (1 + self.decay**2 * r) + r
        behind = r * (self.grow**2 - 2 * self.kappa * (1 + self.decay**2 * settled))
        both = self.decay * self.grow * r
        late = self.p * self.q * (behind - both**2) + (self.q**2 - self.p**2) * both
        np.divide(late, h, out=late, where=near)
        return np.where(near, late, distances)

    def _max_growth(self) -> Float[np.ndarray, " mode"]:
        """Exponent at which growth is saturated, or, for modes without overlap, at which the weights have vanished."""
        size = np.hypot(np.sqrt(2 * self.kappa), np.hypot(self.grow, self.decay))
        grows = self.grow != 0
        logarithms = np.log(np.where(grows, size, 1.0)) - np.log(np.where(grows, np.abs(self.grow), 1.0))
        return np.where(grows, logarithms + _SATURATED_GROWTH, _MAX_DECAY)


def aligned_strengths(
    s: Float[np.ndarray, " mode"],
    a0: Float[np.ndarray, " mode"],
    lam: float,
    times: Float[np.ndarray, " time"],
) -> Float[np.ndarray, "time mode"]:
    """Follow the modes of an aligned balanced network, tau da/dt = sqrt(lam^2 + 4 a^2) (s - a).

    Args:
        s: singular values of the task, non-negative.
        a0: strengths at time 0, of either sign; with lam = 0, negative strengths rise to 0 but not beyond.
        lam: balance.
        times: non-negative, in units of the time constant.

    Source: Saxe et al. (2014), arXiv 1312.6120, for lam = 0, and thesis Theorem 3.2.1 with the exponent
    sgn(lam) K t / tau and the denominators sqrt(lam^2 + 4 a^2) + |lam|; evaluated by `AlignedModes.at`.
    """
    x, y = _layers(a0, abs(lam))
    # where x and y have opposite signs, y^2 - x^2 = |lam| gives x + y without cancellation
    total = np.divide(abs(lam), y - x, out=x + y, where=a0 < 0)
    minor, major = aligned_modes(s, abs(lam), x, y, total).at(times)
    return minor * major


def aligned_modes(
    s: Float[np.ndarray, " mode"],
    lam: float,
    x: Float[np.ndarray, " mode"],
    y: Float[np.ndarray, " mode"],
    total: Float[np.ndarray, " mode"],
) -> AlignedModes:
    """Prepare modes from the strengths of their layers.

    The growing eigenvector is parallel to the strengths of the learned mode; p x + q y is evaluated as in `Modes.grow`.

    Args:
        s: singular values of the task, non-negative.
        lam: balance, non-negative.
        x: strengths of the minor layer.
        y: strengths of the major layer.
        total: sums x + y, passed separately because they may cancel.

    Source: thesis Theorem 3.2.1; docs/theory.md, section 2.
    """
    kappa = np.hypot(s, lam / 2)
    p, q = (np.where(kappa > 0, layer, 1.0) for layer in _layers(s, lam))
    norm = np.hypot(p, q)
    p, q = p / norm, q / norm
    gap = np.divide(lam, 2 * kappa * (p + q), out=np.zeros_like(kappa), where=kappa > 0)
    return AlignedModes(x, y, p, q, kappa, grow=p * total + gap * y, decay=q * x - p * y)


def _layers(
    strengths: Float[np.ndarray, " mode"], lam: float
) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, " mode"]]:
    """Strengths of both layers with a given product; dividing by the major one avoids cancellation in the minor one."""
    major = np.sqrt(np.hypot(strengths, lam / 2) + lam / 2)
    return np.divide(strengths, major, out=np.zeros_like(major), where=major > 0), major
