"""Weights of many networks after learning has begun, and errors that are accurate relative to each error.

If the pivots of the echelon form are growing rows, the block of P = Q Q^T in these rows is the inverse of

    H = (1 - e^{-2 kappa t}) / (2 kappa) + S

and the block in the other rows is X H^{-1}, where S and X decay as e^{-kappa t} (see `late_deviation`, and
docs/theory.md, section 2).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.block_fading import FadingColumn, fading_column
from lindyn_service.dynamics.block_terms import Terms
from lindyn_service.dynamics.stacks import Stack, Stacks, diagonals


@dataclass(frozen=True)
class Learned:
    """Networks at some times.

    Attributes:
        terms: prepared networks.
        times: in units of the time constants.
        stacks: arithmetic on stacks of these networks and times.
        s: matrix S.
        minor: rows of the minor layer other than pivots, as combinations of the pivot rows.
        major: rows of the major layer other than pivots, as combinations of the pivot rows.
        root: U with U U^T = H^{-1}.
        ratio: condition of the Cholesky factors, see `Stacks.inverse_roots`.
        fading: contribution of the fading column; None if there is none.
    """

    terms: Terms
    times: Float[np.ndarray, "any_times time"]
    stacks: Stacks
    s: Stack
    minor: Stack
    major: Stack
    root: Stack
    ratio: Float[np.ndarray, "network time"]
    fading: FadingColumn | None = None

    def layers(self) -> tuple[Stack, Stack]:
        """Minor and major layer in the singular bases of the task, up to rotations of the hidden units."""
        terms, basis, own = self.terms, self.terms.modes, self.terms.n_own
        found: list[Stack] = []
        for name, beyond, weight in (("w_minor", self.minor, basis.p), ("w_major", self.major, basis.q)):
            whole = self.stacks.empty("whole", len(beyond), terms.n_learned)
            np.copyto(whole, beyond)
            diagonals(whole[:own, :own])[:] += _column(weight, own)
            if name == "w_major":
                diagonals(whole[own : terms.n_learned, own:])[:] += 1.0
            found.append(self.stacks.product(whole, self.root, self.stacks.empty(name, len(beyond), terms.n_learned)))
        if self.fading is None:
            return found[0], found[1]
        columns = self.fading.minor[:, None], self.fading.major[:, None]
        return np.concatenate([found[0], columns[0]], axis=1), np.concatenate([found[1], columns[1]], axis=1)

    def errors(self) -> Stack:
        """Errors u^T (W - sigma_yx) v, or their transposes if the layers are exchanged; may be called only once.

        With the minor layer A = p + R and the major layer B = q + T as combinations of the pivot rows, and
        D = H^{-1} A^T - 2 kappa p, the error is q D + T (D + 2 kappa p), minus the missed modes.
        """
        terms, basis, own = self.terms, self.terms.modes, self.terms.n_own
        k, n_minor, n_major = terms.n_learned, len(self.minor), len(self.major)
        right = self.stacks.empty("right", k, n_minor)
        np.copyto(right, self.minor.transpose(1, 0, 2, 3))
        small = np.multiply(self.s[:, :own], _column(-2 * basis.kappa * basis.p, own), out=self.s[:, :own])
        twice = np.exp(-2 * terms.by_row(terms.f[:, :own], self.times))
        right[:, :own] += small
        diagonals(right[:own, :own])[:] += _column(basis.p, own) * twice
        change = self.stacks.solve(self.root, right, self.stacks.empty("change", k, n_minor))
        grown = self.stacks.empty("grown", k, n_minor)
        np.multiply(change[:own], _column(basis.q, own)[:, None], out=grown[:own])
        grown[own:] = change[own:]
        diagonals(change[:own, :own])[:] += _column(2 * basis.kappa * basis.p, own)
        errors = self.stacks.product(self.major, change, self.stacks.empty("errors", n_major, n_minor))
        errors[:k] += grown
        missed = np.arange(own, terms.n_modes)
        errors[missed, missed] -= basis.one.s[missed, None, None]
        if self.fading is not None:
            errors += self.fading.major[:, None] * self.fading.minor
        return errors


def learned(terms: Terms, times: Float[np.ndarray, "any_times time"], stacks: Stacks) -> Learned:
    """Evaluate networks after learning has begun.

    Args:
        terms: prepared networks.
        times: in units of the time constants, one row for all networks or one for each.
        stacks: arithmetic on stacks of these networks and times.

    Source: docs/theory.md, section 2.
    """
    k, n_missed = terms.n_learned, terms.n_missed
    left = np.exp(-terms.by_row(terms.f[:, :k], times))
    s = stacks.gram(terms.x[:, n_missed:], terms.integrals(slice(k + n_missed, None), times), stacks.empty("s", k, k))
    s += terms.constant[..., None]
    s *= left[:, None] * left
    layers: list[Stack] = []
    for name, constant, fading in zip(("minor", "major"), terms.sides, terms.fading(times), strict=True):
        layer = stacks.empty(name, len(constant), k)
        layers.append(np.multiply(fading[:, None] * left, constant[..., None], out=layer))
    minor, major = layers
    if n_missed:
        _add_missed(terms, times, s, minor, major)
    column = fading_column(terms, times, left, s, minor, major) if terms.start.n_fading else None
    h = stacks.empty("h", k, k)
    np.copyto(h, s)
    diagonals(h)[:] += terms.integrals(slice(0, k), times)
    root, ratio = stacks.inverse_roots(h)
    if column is not None:
        ratio = np.maximum(ratio, column.growth)
    return Learned(terms, times, stacks, s, minor, major, root, ratio, column)


def _add_missed(terms: Terms, times: Float[np.ndarray, "any_times time"], s: Stack, minor: Stack, major: Stack) -> None:
    """Add the contributions of growing rows that are not pivots to S and to the layers, in place."""
    basis, k, m = terms.modes, terms.n_learned, terms.n_modes
    rows = terms.missed(times)
    weights = terms.integrals(slice(k, k + terms.n_missed), times)
    for row, weight in zip(rows, weights, strict=True):
        s += (weight * row)[:, None] * row
    own = max(m - k, 0)  # rows of modes; the other rows belong to the major layer only
    minor[k : k + own] += _column(basis.p[:, k:], own)[:, None] * rows[:own]
    major[k : k + own] += _column(basis.q[:, k:], own)[:, None] * rows[:own]
    major[max(k, m) : max(k, m) + len(rows) - own] += rows[own:]


def _column(values: Float[np.ndarray, "network mode"], n: int) -> Float[np.ndarray, "first network 1"]:
    """Values of the first modes as columns, to scale rows."""
    return values[:, :n].T[:, :, None]
