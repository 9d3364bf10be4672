"""Solutions of networks whose modes learn alone, for `ModalRun`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from lindyn_service.dynamics.decoupled import DecoupledSolution, decoupled
from lindyn_service.dynamics.decoupled_deep import DeepModes
from lindyn_service.dynamics.decoupling import Decoupling
from lindyn_service.dynamics.hidden_rotation import ROTATION_ROUNDING
from lindyn_service.dynamics.layers import Layers, network_function
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.mode_basis import ModeBasis
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.tasks import EPS, Moments, fitted
from lindyn_service.methods.error_estimates import disturbed
from lindyn_service.methods.modal_run import ModalStates

_BATCH_NUMBERS = 2**16


def objective_in_modes(basis: ModeBasis, best: np.ndarray, moments: Moments) -> Objective:
    """Return the loss function in bases of modes in which sigma_xx is diagonal.

    Args:
        basis: bases of the modes.
        best: best network function in these bases.
        moments: moments of the task.
    """
    n_modes = min(len(basis.u), len(basis.v))
    root: np.ndarray | float = 1.0
    inverse: np.ndarray | float = 1.0
    if moments.sigma_xx is not None:
        seen = basis.d > 0
        root = np.diag(np.sqrt(basis.d))
        inverse = np.diag(np.divide(1.0, basis.d, out=np.zeros_like(basis.d), where=seen))
    s = np.pad(basis.s, (0, n_modes - len(basis.s)))
    return Objective(basis.u, s, basis.v, best, root, inverse, fitted(moments).loss, moments.samples)


def _disturbed_in_bases(s: np.ndarray, basis: ModeBasis, sigma_yx: np.ndarray, run: int) -> np.ndarray:
    """Disturb singular values by rounding errors of the terms that they are sums of; they remain non-negative.

    Small ones beside large ones lose digits, unless the bases are those of the coordinates.
    """
    terms = np.sum(np.abs(basis.u[:, : len(s)]) * (np.abs(sigma_yx) @ np.abs(basis.v[:, : len(s)])), axis=0)
    return np.maximum(s + 4 * EPS * np.random.default_rng(run).uniform(-1, 1, s.shape) * terms, s / 2)


@dataclass(frozen=True)
class PartsSolution:
    """Solution of two layers that decouple into single modes and balanced groups of modes.

    Attributes:
        parts: the modes and groups.
        reduction: the reduced problem.
        gamma: weight decay.
        rounded: whether the weights carry rounding errors, as in `closed_form`.
        solved: solution of the modes and groups.
        objective: loss function in the bases of the modes.
    """

    parts: Decoupling
    reduction: Reduction
    gamma: float
    rounded: bool
    solved: DecoupledSolution
    objective: Objective

    @classmethod
    def of(cls, parts: Decoupling, reduction: Reduction, gamma: float, *, rounded: bool) -> Self:
        """Solve the modes and groups."""
        solved = decoupled(parts, gamma=gamma, rounded=rounded)
        objective = objective_in_modes(parts.basis, solved.best, reduction.moments)
        return cls(parts, reduction, gamma, rounded, solved, objective)

    @property
    def lam(self) -> np.ndarray:
        """Balance of each mode at time 0."""
        return self.solved.lam

    @property
    def fastest_rate(self) -> float:
        """Sum of the rates of the task, of the weights, and of weight decay."""
        basis, size = self.parts.basis, sum(float(np.sum(w * w)) for w in self.reduction.weights)
        return float(np.max(basis.s, initial=0.0)) + float(np.max(basis.d)) * size + self.gamma

    @property
    def rotation_error(self) -> float:
        """Relative error of the weights; only groups have hidden units that rotate."""
        return ROTATION_ROUNDING if self.solved.groups else 0.0

    @property
    def missed(self) -> np.ndarray:
        """Indices of single modes that are never learned, although hidden units are left by stronger modes."""
        learns = np.ones(len(self.parts.basis.s), dtype=bool)
        learns[self.solved.alone] = self.solved.modes.alpha > 0
        free = np.cumsum(learns) < len(self.reduction.weights[0])
        worth = (self.parts.basis.s > self.gamma) & (self.parts.basis.d[: len(learns)] > 0)
        return np.flatnonzero(~learns & free & worth)

    def undecided(self, last: float) -> float:
        """Relative size at a time of the largest missed mode that grows from one rounding error."""
        missed = self.missed
        if not len(missed):
            return 0.0
        s, d = self.parts.basis.s[missed], self.parts.basis.d[missed]
        noise = self.parts.first.length_errors[missed] + self.parts.second.length_errors[missed]
        sizes = noise / np.sqrt(2 * s / d)
        with np.errstate(divide="ignore"):
            return float(np.max(np.exp(np.minimum(np.log(sizes) + (s - self.gamma) * last, 0.0))))

    def batches(self, times: np.ndarray) -> Iterator[tuple[slice, ModalStates]]:
        """Evaluate at ascending times, in bounded batches."""
        for part, factors in self.solved.batches(times):
            layers = (factors.into.transpose(0, 2, 1), factors.out)
            yield part, ModalStates(layers, self.solved.errors(times[part]))

    def weights(self, times: np.ndarray) -> Layers:
        """Return both layers in the coordinates of the hidden units."""
        return self.solved.weights(times)

    def disturbed(self, run: int) -> "PartsSolution":
        """Disturb strengths and directions of the modes' rows, and the groups."""
        parts, size = self.parts, self.parts.residual
        s, d, x, y, lengths, other = disturbed(
            (
                parts.basis.s,
                parts.basis.d,
                parts.first.units,
                parts.second.units,
                parts.first.lengths,
                parts.second.lengths,
            ),
            size,
            run,
        )
        s = _disturbed_in_bases(s, parts.basis, self.reduction.moments.sigma_yx, run)
        groups = [disturbed((group.w1, group.w2, group.task), size, run) for group in parts.groups]
        moved = replace(
            parts,
            basis=replace(parts.basis, s=s, d=d),
            first=replace(parts.first, units=x, lengths=lengths),
            second=replace(parts.second, units=y, lengths=other),
            groups=tuple(
                replace(group, w1=w1, w2=w2, task=task)
                for group, (w1, w2, task) in zip(parts.groups, groups, strict=True)
            ),
        )
        return self.of(moved, self.reduction, self.gamma, rounded=self.rounded)


@dataclass(frozen=True)
class ChainSolution:
    """Solution of layers in each of which a mode has one unit.

    Attributes:
        modes: modes of the layers.
        reduction: the reduced problem.
        objective: loss function in the bases of the modes.
    """

    modes: DeepModes
    reduction: Reduction
    objective: Objective

    @classmethod
    def of(cls, modes: DeepModes, reduction: Reduction) -> Self:
        """Return the solution of the modes."""
        basis, n_modes = modes.basis, np.arange(len(modes.basis.s))
        best, d = np.zeros((len(basis.u), len(basis.v))), basis.d[: len(n_modes)]
        best[n_modes, n_modes] = np.divide(basis.s, d, out=np.zeros_like(d), where=d > 0)
        return cls(modes, reduction, objective_in_modes(basis, best, reduction.moments))

    @property
    def fastest_rate(self) -> float:
        """Bound from the largest strengths: those of the weights, and those of the best network function."""
        strengths = np.abs(self.modes.strengths)
        n_layers, best = strengths.shape[1], float(np.max(np.abs(self.objective.best), initial=0.0))
        largest = np.max(strengths, initial=0.0) + best ** (1 / n_layers)
        s = float(np.max(self.modes.basis.s, initial=0.0))
        return float(s * largest ** (n_layers - 2) + np.max(self.modes.basis.d) * largest ** (2 * n_layers - 2))

    @property
    def rotation_error(self) -> float:
        """Zero, since the hidden units do not rotate."""
        return 0.0

    @property
    def missed(self) -> np.ndarray:
        """Indices of modes that are never learned, although hidden units are left by stronger modes.

        Their two smallest strengths are both zero, or equal while the product of all strengths is negative.
        """
        basis, strengths = self.modes.basis, np.sort(np.abs(self.modes.strengths), axis=1)
        tied = strengths[:, 0] == strengths[:, 1]
        stuck = tied & ((strengths[:, 0] == 0) | (np.prod(np.sign(self.modes.strengths), axis=1) < 0))
        free = np.cumsum(~stuck) < min(len(w) for w in self.reduction.weights[:-1])
        return np.flatnonzero(stuck & free & (basis.s > 0) & (basis.d[: len(basis.s)] > 0))

    def batches(self, times: np.ndarray) -> Iterator[tuple[slice, ModalStates]]:
        """Evaluate at ascending times, in bounded batches, without cancellation in the residuals of the modes."""
        basis, n_modes = self.modes.basis, np.arange(len(self.modes.basis.s))
        size = max(1, _BATCH_NUMBERS // sum(w.size for w in self.reduction.weights))
        d = basis.d[: len(n_modes)]
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            strengths, residuals = self.modes.at(times[part])
            first, *between = self.modes.layers(strengths)
            *between, last = between
            layers = (first @ basis.v, *between, basis.u.T @ last)
            # other entries are zero up to rounding, except for inputs without variance
            error = np.where(basis.d > 0, 0.0, network_function(layers))
            seen = d > 0
            error[:, n_modes[seen], n_modes[seen]] = -residuals[:, seen] / d[seen]
            yield part, ModalStates(layers, error)

    def weights(self, times: np.ndarray) -> Layers:
        """Return all layers in the coordinates of the hidden units."""
        return self.modes.weights(times)

    def disturbed(self, run: int) -> "ChainSolution":
        """Disturb the strengths of all layers, and the task."""
        basis = self.modes.basis
        s, d, strengths = disturbed((basis.s, basis.d, self.modes.strengths), self.modes.residual, run)
        moved = replace(self.modes, basis=replace(basis, s=s, d=d), strengths=strengths)
        return self.of(moved, self.reduction)
