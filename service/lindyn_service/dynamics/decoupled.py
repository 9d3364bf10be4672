"""Exact solution of two-layer networks that decouple into independent modes and balanced groups of modes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from lindyn_service.dynamics.closed_form import ClosedForm, closed_form
from lindyn_service.dynamics.decayed_modes import DecayedModes
from lindyn_service.dynamics.decoupled_modes import DecoupledModes, ModeStates, decoupled_modes
from lindyn_service.dynamics.decoupling import Decoupling, HiddenGroup
from lindyn_service.dynamics.hidden_rotation import true_weights
from lindyn_service.dynamics.mode_basis import ModeBasis
from lindyn_service.dynamics.riccati import Factors
from lindyn_service.dynamics.time_batches import time_batches

_BATCH_ENTRIES = 2**16


@dataclass(frozen=True)
class GroupSolution:
    """Exact solution of a balanced group, whose times are multiplied by its input variance."""

    group: HiddenGroup
    solution: ClosedForm

    def factors(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Layers in the inputs and outputs of the group, up to a rotation of its hidden units."""
        factors, modes = self.solution.at(self.group.variance * times), self.solution.modes
        return Factors(modes.v @ factors.into, modes.u @ factors.out)

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time inside_out inside_in"]:
        """Errors W - W* between the group's outputs and inputs, accurate relative to each error, however small."""
        clock, modes = self.group.variance * times, self.solution.modes
        factors = self.solution.at(clock)
        return modes.u @ self.solution.errors(clock, factors.out @ factors.into.transpose(0, 2, 1)) @ modes.v.T

    def rows(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time inside_in hidden"], Float[np.ndarray, "time inside_out hidden"]]:
        """Layers in the hidden units of the initial weights, for which the rotation of these is integrated."""
        weights = true_weights(self.solution, self.group.w1, self.group.w2, self.group.variance * times)
        rotation = self.group.hidden.T
        return weights.w1.transpose(0, 2, 1) @ rotation, weights.w2 @ rotation


@dataclass(frozen=True)
class DecoupledSolution:
    """Exact solution of a decoupled network; times are in units of the time constant.

    Attributes:
        basis: bases of inputs and outputs; layers and network functions below are in these bases.
        alone: indices of the independent modes.
        modes: solution of the independent modes.
        groups: solutions of the groups, which the other modes belong to.
        into: V^T w1^T at time 0; rows that belong to no mode are constant up to weight decay.
        out: U^T w2 at time 0.
        gamma: weight decay, in units of the task; 0 if there are groups.
    """

    basis: ModeBasis
    alone: Int[np.ndarray, " alone"]
    modes: DecoupledModes
    groups: tuple[GroupSolution, ...]
    into: Float[np.ndarray, "in hidden"]
    out: Float[np.ndarray, "out hidden"]
    gamma: float = 0.0

    @property
    def lam(self) -> Float[np.ndarray, " mode"]:
        """Balance at time 0 of each mode, or of its group; it decays as e^{-2 gamma t}."""
        lam = np.zeros(len(self.basis.s))
        lam[self.alone] = self.modes.lam
        for solution in self.groups:
            lam[solution.group.outputs[solution.group.outputs < len(lam)]] = solution.group.lam
        return lam

    @property
    def rates(self) -> Float[np.ndarray, " mode"]:
        """Asymptotic rates at which the independent modes approach their limits."""
        if not self.gamma:
            return 2 * self.modes.kappa
        return np.minimum(2 * np.abs(self.modes.s - self.gamma), 4 * self.gamma)

    @cached_property
    def best(self) -> Float[np.ndarray, "out in"]:
        """Network function of least loss, with strength s / d in each mode."""
        best, modes = np.zeros((len(self.basis.u), len(self.basis.v))), np.arange(len(self.basis.s))
        d = self.basis.d[modes]
        best[modes, modes] = np.divide(self.basis.s, d, out=np.zeros_like(d), where=d > 0)
        return best

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit into the cache of one core."""
        for batch in time_batches(len(times), self.into.size + self.out.size, _BATCH_ENTRIES):
            yield batch, self.at(times[batch])

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Both layers; those of each group are known up to a rotation of its hidden units.

        Products of the layers, and all other invariants under rotations of the hidden units, are exact.
        """
        factors = self._alone(times)
        for group_solution in self.groups:
            group_factors, rotation = group_solution.factors(times), group_solution.group.hidden.T
            self._put(factors, group_solution.group, group_factors.into, group_factors.out, rotation)
        return factors

    def weights(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time hidden in"], Float[np.ndarray, "time out hidden"]]:
        """Both layers at ascending times, in the coordinates of inputs, hidden units and outputs."""
        factors = self._alone(times)
        for solution in self.groups:
            factors.into[:, solution.group.inputs], factors.out[:, solution.group.outputs] = solution.rows(times)
        return (self.basis.v @ factors.into).transpose(0, 2, 1), self.basis.u @ factors.out

    def states(self, times: Float[np.ndarray, " time"]) -> ModeStates:
        """States of the independent modes."""
        return self._decayed.at(times) if self.gamma else self.modes.at(times)

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """Errors U^T (W - W*) V, accurate relative to each error, however small.

        W* is the function of least loss. Columns of inputs without variance contain the network function itself.
        """
        factors = self.at(times)
        blind = np.flatnonzero(self.basis.d == 0)
        errors = np.zeros((len(times), len(self.out), len(self.into)))
        errors[:, :, blind] = factors.out @ factors.into[:, blind].transpose(0, 2, 1)
        at, d = self.alone, self.basis.d[self.alone]
        moving = d > 0
        residuals = self.states(times).residuals
        errors[:, at[moving], at[moving]] = -residuals[:, moving] / d[moving]
        for solution in self.groups:
            errors[:, solution.group.outputs[:, None], solution.group.inputs] = solution.errors(times)
        return errors

    def excess_loss(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Excess loss 1/2 Tr (W - W*) sigma_xx (W - W*)^T, to full relative accuracy."""
        return 0.5 * np.einsum("toi,i->t", self.errors(times) ** 2, self.basis.d)

    def loss_rate(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Time derivative of the loss without its weight decay term, per time constant.

        Without weight decay, it is minus the squared norm of the gradient.
        """
        gradients, factors = self.errors(times) * self.basis.d, self.at(times)
        first = factors.out.transpose(0, 2, 1) @ gradients
        second = gradients @ factors.into
        learned = np.einsum("thi,thi->t", first, first) + np.einsum("toh,toh->t", second, second)
        return -learned - 2 * self.gamma * np.einsum("thi,tih->t", first, factors.into)

    def limit_strengths(self) -> Float[np.ndarray, " alone"]:
        """Strengths of the independent modes at t -> infinity."""
        if self.gamma:
            return self._decayed.limit_strengths()
        d = self.modes.d
        learned = (d > 0) & ~self.modes.unreached & ((self.modes.alpha > 0) | (self.modes.s == 0))
        limit = np.divide(self.modes.s, d, out=np.zeros_like(d), where=learned)
        return np.where(d > 0, limit, self.modes.initial)

    @cached_property
    def _decayed(self) -> DecayedModes:
        return DecayedModes(self.modes, self.gamma)

    def _alone(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Layers with the rows of the independent modes; all other rows are those at time 0, but for decay."""
        decay = np.exp(-self.gamma * times)[:, None, None]
        into, out = decay * self.into, decay * self.out
        states = self.states(times)
        into[:, self.alone] = self.modes.hidden_rows(states.x)
        out[:, self.alone] = self.modes.hidden_rows(states.y)
        return Factors(into, out)

    @staticmethod
    def _put(
        factors: Factors,
        group: HiddenGroup,
        into: Float[np.ndarray, "time inside_in column"],
        out: Float[np.ndarray, "time inside_out column"],
        rotation: Float[np.ndarray, "inside_hidden hidden"],
    ) -> None:
        """Write the rows of a group into its hidden units, of which there are at least as many as columns."""
        rotation = rotation[: into.shape[2]]
        factors.into[:, group.inputs], factors.out[:, group.outputs] = into @ rotation, out @ rotation


def decoupled(parts: Decoupling, *, gamma: float = 0.0, rounded: bool = True) -> DecoupledSolution:
    """Solve gradient flow of a decoupled network.

    Args:
        parts: decoupling of the network; the couplings that its `residual` measures are neglected.
        gamma: weight decay, non-negative, in units of the task.
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Raises:
        ValueError: there are groups and weight decay, for which there is a closed form only for independent modes.

    Source: docs/theory.md, section 3.
    """
    if gamma and parts.groups:
        raise ValueError(
            f"with weight decay, all modes must be independent, but {len(parts.groups)} groups share hidden units"
        )
    basis, alone = parts.basis, parts.alone
    into = parts.first.units * parts.first.lengths[:, None]
    out = parts.second.units * parts.second.lengths[:, None]
    errors = parts.first.length_errors[alone] + parts.second.length_errors[alone]
    return DecoupledSolution(
        basis=basis,
        alone=alone,
        modes=decoupled_modes(basis.s[alone], basis.d[alone], into[alone], out[alone], errors),
        groups=tuple(
            GroupSolution(group, closed_form(group.w1, group.w2, group.task, group.lam, rounded=rounded))
            for group in parts.groups
        ),
        into=into,
        out=out,
        gamma=gamma,
    )
