"""Many networks late in training: errors of the network functions, accurate relative to each error, however small.

Let the growing rows of the echelon form be the pivots. The pivot rows of P = Q Q^T then contain the inverse of

    H = (1 - e^{-2 kappa t}) / (2 kappa) + S

and the other rows contain X H^{-1}, where S and X decay like e^{-kappa t}; see `late_deviation` and docs/theory.md,
section 2.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.stacks import Stack, Stacks, diagonals


@dataclass(frozen=True)
class Learned:
    """Many networks at some times late in training.

    Attributes:
        terms: prepared networks.
        times: times, in units of the time constants.
        stacks: arithmetic on stacks of matrices.
        s: the matrix S.
        minor: decaying part of the minor layer, as coefficients of the pivot rows.
        major: decaying part of the major layer, as coefficients of the pivot rows.
        root: U with U U^T = H^{-1}.
        ratio: condition of H, see `Stacks.inverse_roots`.
    """

    terms: Terms
    times: Float[np.ndarray, "any_times time"]
    stacks: Stacks
    s: Stack
    minor: Stack
    major: Stack
    root: Stack
    ratio: Float[np.ndarray, "network time"]

    def layers(self) -> tuple[Stack, Stack]:
        """Minor and major layers in the singular bases of the task, up to rotations of the hidden units."""
        terms, basis, own = self.terms, self.terms.modes, self.terms.n_own
        layers: list[Stack] = []
        for name, beyond, weight in (("w_minor", self.minor, basis.p), ("w_major", self.major, basis.q)):
            layer = self.stacks.empty("layer", len(beyond), terms.n_learned)
            np.copyto(layer, beyond)
            diagonals(layer[:own, :own])[:] += _column(weight, own)
            if name == "w_major":
                diagonals(layer[own : terms.n_learned, own:])[:] += 1.0
            layers.append(self.stacks.product(layer, self.root, self.stacks.empty(name, len(beyond), terms.n_learned)))
        return layers[0], layers[1]

    def errors(self) -> Stack:
        """Errors u^T (W - sigma_yx) v, or their transposes if the layers are exchanged; may be called only once.

        In terms of the pivot rows, the minor layer is A = p + R and the major layer B = q + T. With
        D = H^{-1} A^T - 2 kappa p, the error is q D + T (D + 2 kappa p), minus the modes that are not learned. S is
        overwritten.
        """
        terms, basis, own = self.terms, self.terms.modes, self.terms.n_own
        k, n_minor, n_major = terms.n_learned, len(self.minor), len(self.major)
        right = self.stacks.empty("right", k, n_minor)
        np.copyto(right, self.minor.transpose(1, 0, 2, 3))
        correction = np.multiply(self.s[:, :own], _column(-2 * basis.kappa * basis.p, own), out=self.s[:, :own])
        decay = np.exp(-2 * terms.by_row(terms.f[:, :own], self.times))
        right[:, :own] += correction
        diagonals(right[:own, :own])[:] += _column(basis.p, own) * decay
        change = self.stacks.solve(self.root, right, self.stacks.empty("change", k, n_minor))
        grown = self.stacks.empty("grown", k, n_minor)
        np.multiply(change[:own], _column(basis.q, own)[:, None], out=grown[:own])
        grown[own:] = change[own:]
        diagonals(change[:own, :own])[:] += _column(2 * basis.kappa * basis.p, own)
        errors = self.stacks.product(self.major, change, self.stacks.empty("errors", n_major, n_minor))
        errors[:k] += grown
        missed = np.arange(own, terms.n_modes)
        errors[missed, missed] -= basis.one.s[missed, None, None]
        return errors


def learned(terms: Terms, times: Float[np.ndarray, "any_times time"], stacks: Stacks) -> Learned:
    """Evaluate many networks late in training.

    Args:
        terms: prepared networks.
        times: in units of the time constants, one row for all networks or one for each.
        stacks: arithmetic on stacks of matrices of these networks and times.

    Source: docs/theory.md, section 2.
    """
    k, n_missed = terms.n_learned, terms.n_missed
    decay = np.exp(-terms.by_row(terms.f[:, :k], times))
    s = stacks.gram(terms.x[:, n_missed:], terms.integrals(slice(k + n_missed, None), times), stacks.empty("s", k, k))
    s += terms.constant[..., None]
    s *= decay[:, None] * decay
    layers: list[Stack] = []
    for name, constant, fading in zip(("minor", "major"), terms.sides, terms.fading(times), strict=True):
        layer = stacks.empty(name, len(constant), k)
        layers.append(np.multiply(fading[:, None] * decay, constant[..., None], out=layer))
    minor, major = layers
    if n_missed:
        _add_missed(terms, times, s, minor, major)
    h = stacks.empty("h", k, k)
    np.copyto(h, s)
    diagonals(h)[:] += terms.integrals(slice(0, k), times)
    root, ratio = stacks.inverse_roots(h)
    return Learned(terms, times, stacks, s, minor, major, root, ratio)


def _add_missed(terms: Terms, times: Float[np.ndarray, "any_times time"], s: Stack, minor: Stack, major: Stack) -> None:
    """Add the contribution of growing rows that are not pivots to S and to the layers, in place."""
    basis, k, m = terms.modes, terms.n_learned, terms.n_modes
    rows = terms.missed(times)
    weights = terms.integrals(slice(k, k + terms.n_missed), times)
    for row, weight in zip(rows, weights, strict=True):
        s += (weight * row)[:, None] * row
    own = max(m - k, 0)  # the first rows belong to modes, the others to the major layer
    minor[k : k + own] += _column(basis.p[:, k:], own)[:, None] * rows[:own]
    major[k : k + own] += _column(basis.q[:, k:], own)[:, None] * rows[:own]
    major[max(k, m) : max(k, m) + len(rows) - own] += rows[own:]


def _column(values: Float[np.ndarray, "network mode"], n: int) -> Float[np.ndarray, "first network 1"]:
    """Values of the first n modes, shaped to multiply stacks."""
    return values[:, :n].T[:, :, None]
