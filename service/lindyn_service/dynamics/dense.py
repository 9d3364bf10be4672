"""Network functions at many times from those at fewer, where that is as good as evaluating the solution."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.chebyshev import coefficients
from lindyn_service.dynamics.exact import Solution
from lindyn_service.dynamics.parts import DEGREE, Part, evaluated, parts
from lindyn_service.dynamics.tasks import EPS

_LEAST_WORK = 2500  # times of pivots, below which evaluation takes no longer than to see about interpolation
_LARGEST_GROUP = 2**20  # entries, 8 megabytes
_LARGEST_INTERVAL = 6 * 10**6  # entries, 48 megabytes, of which four copies are in memory
_ROUNDING = 4 * EPS  # of an entry by evaluation, relative to the size of its terms
_WORSE = 8.0  # than the rounding errors of evaluation
_RELATIVE = 1e-13  # error of the excess loss that needs no excuse
_LAST_ONES = coefficients(DEGREE, np.arange(DEGREE - 4.0, DEGREE))  # they show what is left out


def dense(
    solution: Solution, times: Float[np.ndarray, " time"]
) -> Iterator[tuple[Part, Float[np.ndarray, "node out rank"]]]:
    """Evaluate the network function u^T W v at the times asked, or at Chebyshev nodes where these are fewer.

    Interpolation has to know loss and network function between the nodes as they are known by evaluation: the
    coefficients must have decayed to rounding errors, and no values of an interval may be so much larger than others
    that their rounding errors matter to these. Intervals where it is not so are halved.

    Args:
        solution: of a problem on white inputs.
        times: ascending, in units of the time constant.

    Returns:
        Parts of the times, in any order, each with the function at its nodes.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapter 8: the coefficients of an
    analytic function decay geometrically.
    """
    fastest = float(solution.modes.kappa[0])
    entries = len(solution.modes.u) * len(solution.modes.v)
    room = max(1, _LARGEST_GROUP // entries)
    worthwhile = fastest > 0 and len(times) * len(solution.echelon.pivots) >= _LEAST_WORK
    worthwhile = worthwhile and entries * (DEGREE + 1) <= _LARGEST_INTERVAL
    waiting = parts(times, 1 / fastest, room) if worthwhile else evaluated(0, len(times), room)
    while waiting:
        left: list[Part] = []
        for group in _groups(sorted(waiting, key=_is_interpolated), room):
            for part, strengths in _evaluate(solution, times, group):
                if strengths is None:
                    left += part.halves(times, room)
                else:
                    yield part, strengths
        waiting = left


def _is_interpolated(part: Part) -> bool:
    return part.interval is not None


def _groups(waiting: Iterable[Part], room: int) -> Iterator[list[Part]]:
    """What is evaluated at once: as much as there is room for; there is some part."""
    group: list[Part] = []
    n_nodes = 0
    for part in waiting:
        if group and n_nodes + part.n_nodes > room:
            yield group
            group, n_nodes = [], 0
        group.append(part)
        n_nodes += part.n_nodes
    yield group


def _evaluate(
    solution: Solution, times: Float[np.ndarray, " time"], group: list[Part]
) -> Iterator[tuple[Part, Float[np.ndarray, "node out rank"] | None]]:
    """Parts that are interpolated come last; they get None where that is not as good as evaluation."""
    asked = np.concatenate([times[p.times] if p.interval is None else p.interval.times for p in group])
    n_interpolated = sum(map(_is_interpolated, group))
    n_straight = len(asked) - n_interpolated * (DEGREE + 1)
    strengths = np.empty((len(asked), len(solution.modes.u), len(solution.modes.v)))
    out_norms, in_norms = np.empty(strengths.shape[:2]), np.empty((len(asked), strengths.shape[2]))
    for batch, factors in solution.batches(asked):
        np.matmul(factors.out, factors.into.transpose(0, 2, 1), out=strengths[batch])
        if n_straight < batch.start + len(factors.out):
            out_norms[batch] = _norms(factors.out)
            in_norms[batch] = _norms(factors.into)
    good = np.ones(len(group), dtype=bool)
    if n_interpolated:
        nodes = (
            array[n_straight:].reshape(n_interpolated, DEGREE + 1, -1) for array in (strengths, out_norms, in_norms)
        )
        good[-n_interpolated:] = _Nodes(*nodes).as_good_as_evaluation(solution.modes.s)
    first = 0
    for part, is_good in zip(group, good, strict=True):
        yield part, strengths[first : first + part.n_nodes] if is_good else None
        first += part.n_nodes


@dataclass(frozen=True)
class _Nodes:
    """The network function, flat, at the nodes of intervals; its entries are sums of terms of the sizes out x into."""

    strengths: Float[np.ndarray, "interval node out_rank"]
    out: Float[np.ndarray, "interval node out"]
    into: Float[np.ndarray, "interval node rank"]

    def as_good_as_evaluation(self, s: Float[np.ndarray, " mode"]) -> Bool[np.ndarray, " interval"]:
        """Whether neither the function nor the loss loses digits between the nodes."""
        tail = np.abs(_LAST_ONES @ self.strengths).max(axis=1)
        out, into = self.out.max(axis=1), self.into.max(axis=1)
        doubt = _ROUNDING * (out[:, :, None] * into[:, None, :]).reshape(tail.shape)
        decayed = tail.max(axis=1) <= _WORSE * doubt.max(axis=1)
        doubt += tail
        rounding = _ROUNDING * np.sqrt(_squares(self.out) * _squares(self.into))
        function = np.sqrt(_squares(doubt))[:, None] <= _WORSE * rounding
        error = self._error(s)
        certain = _RELATIVE * _squares(error)
        np.abs(error, out=error)
        weighted = np.matmul(error.reshape(*self.out.shape, -1), self.into[..., None])[..., 0]
        loss = (error @ doubt[:, :, None])[..., 0] <= _WORSE * _ROUNDING * np.vecdot(weighted, self.out) + certain
        return decayed & np.all(function & loss, axis=1)

    def _error(self, s: Float[np.ndarray, " mode"]) -> Float[np.ndarray, "interval node out_rank"]:
        error = self.strengths.copy()
        diagonal = np.arange(len(s)) * (self.into.shape[2] + 1)
        error[:, :, diagonal] -= s
        return error


def _norms(rows: Float[np.ndarray, "time row column"]) -> Float[np.ndarray, "time row"]:
    return np.sqrt(np.vecdot(rows, rows))


def _squares(rows: Float[np.ndarray, "*any column"]) -> Float[np.ndarray, "*any"]:
    return np.vecdot(rows, rows)
