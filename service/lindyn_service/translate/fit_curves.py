"""Curves of the networks of a fit, in blocks where the closed form covers these."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import Tree, replaced
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import ServiceError
from lindyn_service.inference.box import FloatArray
from lindyn_service.methods.base import LearningProblem, Quantities, answer
from lindyn_service.methods.blocks import OF_BLOCKS, block_quantities
from lindyn_service.translate.families import Family, family_of
from lindyn_service.translate.fit_numbers import number_of
from lindyn_service.translate.problem import learning_problem, moments
from lindyn_service.translate.trajectory import candidates

LAMBDA, SCALE, TIME_CONSTANT = "network.lambda", "network.scale", "time_constant"
RATE = "loss_rate"  # the only quantity that depends on the unit of times
_IN_BLOCKS = frozenset({LAMBDA, SCALE, TIME_CONSTANT})
_WHOLE = ("network", "task", "times", "method")  # parts that are validated once if no parameter is in them


class CurveSource:
    """Computes curves of networks that differ in the values at some paths of their request.

    Args:
        base: request for a trajectory, where these values may be missing.
        paths: of the values.
        times: ascending, non-negative.
        numbers: names of the curves, such as `loss` or `singular_values.0`.
    """

    def __init__(
        self, base: Mapping[str, Tree], paths: Sequence[str], times: FloatArray, numbers: Sequence[str]
    ) -> None:
        self._numbers = tuple(numbers)
        self._names = tuple(dict.fromkeys(number.split(".")[0] for number in numbers))
        self._base: Mapping[str, Tree] = {**base, "times": times, "quantities": list(self._names)}
        self._paths = tuple(paths)
        self._times = times
        led_into = {path.split(".")[0] for path in paths}
        self._constant = [name for name in _WHOLE if name not in led_into]
        self._parts: dict[str, Tree] = {}
        self._task: tuple[object, tuple[int, ...], Moments] | None = None
        self._family: Family | None = None
        self._may_have_family = _IN_BLOCKS.issuperset(paths) and OF_BLOCKS.issuperset(self._names)

    def read(self, values: Sequence[float]) -> TrajectoryRequest:
        """Return the request with these values.

        Raises:
            PathError: a path leads through something that has no parts.
            InvalidDocumentError: the request is invalid.
        """
        document: Mapping[str, Tree] = self._base
        for path, value in zip(self._paths, values, strict=True):
            document = replaced(document, path, float(value))
        request = read(TrajectoryRequest, {**document, **self._parts}, conflicts)
        self._parts = self._parts or {name: getattr(request, name) for name in self._constant}
        return request

    def curve(self, values: Sequence[float]) -> FloatArray:
        """Return the curves of one network, (number, time).

        Raises:
            PathError, InvalidDocumentError, ServiceError: there is no such network, or no method covers it.
        """
        quantities = self.quantities(values)
        return np.array([number_of(quantities, number) for number in self._numbers])

    def quantities(self, values: Sequence[float]) -> Quantities:
        """Return the quantities of one network, time first; raises as `curve`."""
        request = self.read(values)
        return answer(candidates(request.method), self.problem(request)).quantities

    def problem(self, request: TrajectoryRequest) -> LearningProblem:
        """Return the problem of one network, with its weights.

        Raises:
            InfeasibleBalanceError: no weights of these widths have this lambda.
        """
        problem = learning_problem(request, self._moments(request), self._times, self._names)
        return replace(problem, estimate=False)

    def curves(self, values: FloatArray) -> FloatArray:
        """Return the curves of many networks, (network, number, time); NaN for those that have none.

        Args:
            values: at the paths, (network, path).
        """
        found = np.full((len(values), len(self._numbers), len(self._times)), np.nan)
        alone = np.ones(len(values), dtype=np.bool_)
        for rows, family in self._blocks(values):
            alone[self._solve_block(values, rows, family, found)] = False
        for row in np.flatnonzero(alone):
            try:
                found[row] = self.curve(values[row].tolist())
            except (InvalidDocumentError, ServiceError):
                continue
        return found

    def _blocks(self, values: FloatArray) -> Iterator[tuple[npt.NDArray[np.intp], Family]]:
        """Yield the rows of networks that are solved together: those of one sign of lambda, few at long times."""
        family = self._family_of(values[0].tolist()) if self._may_have_family else None
        if family is None:
            return
        lam, scale, tau = (self._column(family, values, path) for path in (LAMBDA, SCALE, TIME_CONSTANT))
        is_valid = (scale > 0) & (tau > 0)
        for sign in (-1.0, 0.0, 1.0):
            rows = np.flatnonzero(is_valid & (np.sign(lam) == sign))
            if not len(rows) or broken_inequality(sign, *family.dims) is not None:
                continue
            if len(np.unique(tau[rows])) * len(rows) > family.block_size or RATE in self._names:
                groups = [rows[tau[rows] == constant] for constant in np.unique(tau[rows])]
            else:
                groups = [rows]
            for group in groups:
                for first in range(0, len(group), family.block_size):
                    yield group[first : first + family.block_size], family

    def _solve_block(
        self, values: FloatArray, rows: npt.NDArray[np.intp], family: Family, found: FloatArray
    ) -> npt.NDArray[np.intp]:
        """Store the curves of a block; returns the rows that it has solved.

        The networks have one time constant in it, and each is read at its own times in that unit.
        """
        lam, scale, tau = (self._column(family, values[rows], path) for path in (LAMBDA, SCALE, TIME_CONSTANT))
        constants, own = np.unique(tau, return_inverse=True)
        all_times, places = np.unique(self._times * (tau[0] / constants[:, None]), return_inverse=True)
        seeds = [family.network.seed or 0] * len(rows)
        block = replace(family.block(lam, scale, seeds, float(tau[0])), times=all_times)
        at = places.reshape(len(constants), -1)[own]
        solved: list[int] = []
        for part in block_quantities(block, self._names):
            for network, row in zip(part.networks, part.rows, strict=True):
                quantities = {name: _of_network(part.quantities[name], int(row)) for name in self._names}
                found[rows[network]] = [number_of(quantities, number)[at[network]] for number in self._numbers]
                solved.append(int(rows[network]))
        return np.array(solved, dtype=np.intp)

    def _column(self, family: Family, values: FloatArray, path: str) -> FloatArray:
        if path in self._paths:
            return values[:, self._paths.index(path)]
        constants = {
            LAMBDA: family.network.lam,
            SCALE: family.network.scale,
            TIME_CONSTANT: family.request.time_constant,
        }
        return np.full(len(values), constants[path])

    def _family_of(self, values: Sequence[float]) -> Family | None:
        """Return the family of the networks, which is looked for once."""
        if self._family is None and self._may_have_family:
            try:
                request = self.read(values)
                self._family = family_of(request, self._moments(request))
            except (InvalidDocumentError, ServiceError):
                return None
            self._may_have_family = self._family is not None
        return self._family

    def _moments(self, request: TrajectoryRequest) -> Moments:
        """Return what the networks are trained on, computed once if no parameter is in the task."""
        if self._task is None or self._task[0] is not request.task or self._task[1] != request.dims:
            self._task = (request.task, request.dims, moments(request.task, request.dims))
        return self._task[2]


def _of_network(values: np.ndarray | dict[str, np.ndarray], row: int) -> np.ndarray | dict[str, np.ndarray]:
    return {part: array[row] for part, array in values.items()} if isinstance(values, dict) else values[row]
