"""The exact solution of two-layer networks that fall into modes which learn alone and groups that are balanced."""

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

_BATCH_ENTRIES = 2**16  # as in `exact`


@dataclass(frozen=True)
class GroupSolution:
    """A balanced group; its clock runs by its input variance."""

    group: HiddenGroup
    solution: ClosedForm

    def factors(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Layers in the group's inputs and outputs, up to a rotation of its hidden units."""
        found, modes = self.solution.at(self.group.variance * times), self.solution.modes
        return Factors(modes.v @ found.into, modes.u @ found.out)

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time inside_out inside_in"]:
        """W - W* between the group's outputs and inputs; small ones keep their digits."""
        clock, modes = self.group.variance * times, self.solution.modes
        found = self.solution.at(clock)
        return modes.u @ self.solution.errors(clock, found.out @ found.into.transpose(0, 2, 1)) @ modes.v.T

    def rows(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time inside_in hidden"], Float[np.ndarray, "time inside_out hidden"]]:
        """Layers with the hidden units of the initial weights; this integrates their rotation."""
        found = true_weights(self.solution, self.group.w1, self.group.w2, self.group.variance * times)
        turn = self.group.hidden.T
        return found.w1.transpose(0, 2, 1) @ turn, found.w2 @ turn


@dataclass(frozen=True)
class DecoupledSolution:
    """A problem that falls into parts, to be evaluated at many times, in units of the time constant.

    Attributes:
        basis: inputs and outputs by modes; layers and network functions below are in these bases.
        alone: modes that learn alone.
        modes: these.
        groups: the others.
        into: V^T w1^T at time 0; rows that belong to no mode stay, but for weight decay.
        out: U^T w2 at time 0.
        gamma: weight decay, in units of the task; none with groups.
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
        """Balance of each mode at time 0, that of its group where it has one; it decays as e^{-2 gamma t}."""
        lam = np.zeros(len(self.basis.s))
        lam[self.alone] = self.modes.lam
        for part in self.groups:
            lam[part.group.outputs[part.group.outputs < len(lam)]] = part.group.lam
        return lam

    @property
    def rates(self) -> Float[np.ndarray, " mode"]:
        """Rates at which the distances of the modes that learn alone from their ends decay in the end."""
        if not self.gamma:
            return 2 * self.modes.kappa
        return np.minimum(2 * np.abs(self.modes.s - self.gamma), 4 * self.gamma)

    @cached_property
    def best(self) -> Float[np.ndarray, "out in"]:
        """The best network function, s / d for each mode."""
        best, modes = np.zeros((len(self.basis.u), len(self.basis.v))), np.arange(len(self.basis.s))
        d = self.basis.d[modes]
        best[modes, modes] = np.divide(self.basis.s, d, out=np.zeros_like(d), where=d > 0)
        return best

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Factors]]:
        """Evaluate at non-negative times, in batches that fit a core's cache."""
        size = max(1, min(256, _BATCH_ENTRIES // (self.into.size + self.out.size)))
        for start in range(0, len(times), size):
            part = slice(start, start + size)
            yield part, self.at(times[part])

    def at(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Layers, each group up to a rotation of the hidden units that it uses; without groups these are the weights.

        Products of the two, and all that a rotation of the hidden units leaves alone, are exact.
        """
        factors = self._alone(times)
        for part in self.groups:
            found, turn = part.factors(times), part.group.hidden.T
            self._put(factors, part.group, found.into, found.out, turn)
        return factors

    def weights(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time hidden in"], Float[np.ndarray, "time out hidden"]]:
        """Both layers at ascending times, hidden unit by hidden unit, in the coordinates of inputs and outputs."""
        factors = self._alone(times)
        for part in self.groups:
            factors.into[:, part.group.inputs], factors.out[:, part.group.outputs] = part.rows(times)
        return (self.basis.v @ factors.into).transpose(0, 2, 1), self.basis.u @ factors.out

    def states(self, times: Float[np.ndarray, " time"]) -> ModeStates:
        """The modes that learn alone."""
        return self._decayed.at(times) if self.gamma else self.modes.at(times)

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """Distances U^T (W - W*) V from the best function; small ones keep their digits.

        Columns of inputs without variance hold the network function itself.
        """
        factors = self.at(times)
        blind = np.flatnonzero(self.basis.d == 0)
        errors = np.zeros((len(times), len(self.out), len(self.into)))
        errors[:, :, blind] = factors.out @ factors.into[:, blind].transpose(0, 2, 1)
        at, d = self.alone, self.basis.d[self.alone]
        moving = d > 0
        residuals = self.states(times).residuals
        errors[:, at[moving], at[moving]] = -residuals[:, moving] / d[moving]
        for part in self.groups:
            errors[:, part.group.outputs[:, None], part.group.inputs] = part.errors(times)
        return errors

    def excess_loss(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Loss above the least one, 1/2 Tr (W - W*) sigma_xx (W - W*)^T, to full relative accuracy."""
        return 0.5 * np.einsum("toi,i->t", self.errors(times) ** 2, self.basis.d)

    def loss_rate(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Rate of the data's loss per time constant; without weight decay minus the squared norm of the gradient."""
        gradients, factors = self.errors(times) * self.basis.d, self.at(times)
        first = factors.out.transpose(0, 2, 1) @ gradients
        second = gradients @ factors.into
        learned = np.einsum("thi,thi->t", first, first) + np.einsum("toh,toh->t", second, second)
        return -learned - 2 * self.gamma * np.einsum("thi,tih->t", first, factors.into)

    def limit_strengths(self) -> Float[np.ndarray, " alone"]:
        """Strengths of the modes that learn alone at t -> infinity."""
        if self.gamma:
            return self._decayed.limit_strengths()
        d = self.modes.d
        learned = (d > 0) & ~self.modes.unreached & ((self.modes.alpha > 0) | (self.modes.s == 0))
        end = np.divide(self.modes.s, d, out=np.zeros_like(d), where=learned)
        return np.where(d > 0, end, self.modes.initial)

    @cached_property
    def _decayed(self) -> DecayedModes:
        return DecayedModes(self.modes, self.gamma)

    def _alone(self, times: Float[np.ndarray, " time"]) -> Factors:
        """Rows of the modes that learn alone, and of all others at time 0."""
        left = np.exp(-self.gamma * times)[:, None, None]
        into, out = left * self.into, left * self.out
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
        turn: Float[np.ndarray, "inside_hidden hidden"],
    ) -> None:
        """Put rows of a group into the hidden units that it uses; it never has more columns than these."""
        turn = turn[: into.shape[2]]
        factors.into[:, group.inputs], factors.out[:, group.outputs] = into @ turn, out @ turn


def decoupled(parts: Decoupling, *, gamma: float = 0.0, rounded: bool = True) -> DecoupledSolution:
    """Solve a network that falls into parts.

    Args:
        parts: as measured; what its `residual` says is left out.
        gamma: weight decay, non-negative, in units of the task.
        rounded: as in `closed_form`.

    Raises:
        ValueError: there are groups and weight decay, under which only the modes that learn alone are known.

    Source: docs/theory.md, section 3.
    """
    if gamma and parts.groups:
        raise ValueError(
            f"under weight decay modes must learn alone, but {len(parts.groups)} groups share hidden units"
        )
    basis, alone = parts.basis, parts.alone
    into = parts.first.units * parts.first.lengths[:, None]
    out = parts.second.units * parts.second.lengths[:, None]
    noise = parts.first.length_errors[alone] + parts.second.length_errors[alone]
    return DecoupledSolution(
        basis=basis,
        alone=alone,
        modes=decoupled_modes(basis.s[alone], basis.d[alone], into[alone], out[alone], noise),
        groups=tuple(
            GroupSolution(group, closed_form(group.w1, group.w2, group.task, group.lam, rounded=rounded))
            for group in parts.groups
        ),
        into=into,
        out=out,
        gamma=gamma,
    )
