"""Ensembles: statistics over trajectories that differ in their seeds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.method import DescentMethod
from lindyn.wire.network import RandomNetwork
from lindyn.wire.tree import Array, Tree, flatten
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.errors import InfeasibleBalanceError, ServiceError
from lindyn_service.methods.base import AnswerWarning
from lindyn_service.methods.blocks import OF_BLOCKS, BlockQuantities, block_quantities
from lindyn_service.methods.replicate_statistics import statistics
from lindyn_service.methods.wide_reference import OF_LIMIT, wide_quantities
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.families import Family, family_of, is_plain
from lindyn_service.translate.problem import moments
from lindyn_service.translate.trajectory import solve

_N_WIDTHS = 3  # of a network of two layers
_LONGEST_DETAIL = 500  # characters of the problem of a replicate


def ensemble(request: EnsembleRequest, key: str) -> dict[str, Tree]:
    """Compute the replicates, in blocks where the closed form covers them, and their statistics.

    Raises:
        ServiceError: the numbers of the base request are contradictory, or all replicates fail.
    """
    family = _family(request)
    found = _Replicates(request)
    size = 1 if family is None else family.block_size
    for first in range(0, request.replicates, size):
        seeds = request.seeds[first : first + size]
        left: Iterable[int] = range(len(seeds))
        if family is not None:
            for block in block_quantities(family.replicates(seeds), request.base.quantities):
                found.add_block(first, block)
            left = [i for i in left if not found.has(first + i)]
        for i in left:
            found.add(first + i, seeds[i])
    return found.document(key)


def _family(request: EnsembleRequest) -> Family | None:
    """Return the family of the replicates; None if they are computed one by one.

    Raises:
        InvalidRequestError: no data have the second moments of the task.
    """
    base = request.base
    if "task.seed" in request.vary:
        return None
    family = family_of(base, moments(base.task, base.dims, "base.task"))
    if family is None or not OF_BLOCKS.issuperset(base.quantities):
        return None
    return None if broken_inequality(family.network.lam, *family.dims) is not None else family


class _Replicates:
    """Values, methods, warnings and problems of all replicates."""

    def __init__(self, request: EnsembleRequest) -> None:
        self._request = request
        self._values: dict[str, Array] = {}
        self._computed = np.zeros(request.replicates, dtype=bool)
        self._times = request.base.resolved_times()
        self._methods: Counter[str] = Counter()
        self._warnings: dict[str, tuple[str, set[int]]] = {}
        self._problems: list[dict[str, Tree]] = []
        self._first_error: ServiceError | None = None

    def has(self, place: int) -> bool:
        """Return whether a replicate has been computed."""
        return bool(self._computed[place])

    def add_block(self, first: int, block: BlockQuantities) -> None:
        """Keep the replicates of a block whose first network is the replicate `first`."""
        places = first + block.networks
        for path, array in flatten(block.quantities).items():
            self._array(path, array.shape[1:])[places] = array[block.rows]
        self._keep(places.tolist(), "exact", block.warnings)

    def add(self, place: int, seed: int) -> None:
        """Compute a single replicate.

        Raises:
            InfeasibleBalanceError: no network of these widths has this lambda, for any seed.
        """
        try:
            outcome = solve(self._request.replicate(seed))
        except InfeasibleBalanceError as error:
            raise _of_base(error) from None
        except ServiceError as error:
            self._first_error = self._first_error or error
            self._problems.append({"seed": seed, "code": error.code, "detail": error.detail[:_LONGEST_DETAIL]})
            return
        self._times = outcome.times
        for path, array in flatten(outcome.quantities).items():
            self._array(path, array.shape)[place] = array
        self._keep([place], outcome.method, outcome.warnings)

    def document(self, key: str) -> dict[str, Tree]:
        """Return the answer.

        Raises:
            ServiceError: all replicates failed; the error is that of the first one.
        """
        if self._first_error is not None and not np.any(self._computed):
            raise _of_base(self._first_error)
        request = self._request
        base, varied = request.base, set(request.vary)
        return {
            "key": key,
            "methods": dict(self._methods),
            "dims": list(base.dims),
            "replicates": request.replicates,
            "seeds": list(request.seeds),
            "seed": None if "network.seed" in varied else getattr(base.network, "seed", None),
            "task_seed": None if "task.seed" in varied else getattr(base.task, "seed", None),
            "time_constant": base.time_constant,
            "times": self._times,
            "quantities": self._statistics(),
            "quantiles": request.quantiles,
            "saddles": len(self._warnings.get("saddle", ("", ()))[1]),
            "problems": self._problems,
            "warnings": [
                {"code": code, "detail": detail, "replicates": len(places)}
                for code, (detail, places) in self._warnings.items()
            ],
            "wide": _wide(request),
            "version": VERSION,
        }

    def _array(self, path: str, shape: tuple[int, ...]) -> Array:
        if path not in self._values:
            self._values[path] = np.empty((self._request.replicates, *shape))
        return self._values[path]

    def _keep(self, places: Sequence[int], method: str, warnings: Sequence[AnswerWarning]) -> None:
        self._computed[places] = True
        self._methods[method] += len(places)
        for warned in warnings:
            self._warnings.setdefault(warned.code, (warned.detail, set()))[1].update(places)

    def _statistics(self) -> dict[str, Tree]:
        """Return the statistics of all quantities, and release their values, which may be large."""
        quantities: dict[str, Tree] = {}
        for name in self._request.base.quantities:
            paths = [path for path in self._values if path.partition(".")[0] == name]
            parts: dict[str, Tree] = {}
            for path in paths:
                values = self._values.pop(path)
                kept = values if np.all(self._computed) else values[self._computed]
                parts[path.partition(".")[2]] = statistics(kept, self._request.quantiles)
            quantities[name] = _nested(parts)
        return quantities


def _wide(request: EnsembleRequest) -> Mapping[str, Tree] | None:
    """Return quantities of the wide limit of the base request; None if it has no such limit."""
    base, network = request.base, request.base.network
    names = [name for name in base.quantities if name in OF_LIMIT]
    if not isinstance(network, RandomNetwork) or "network.seed" not in request.vary or "task.seed" in request.vary:
        return None
    if not is_plain(base) or isinstance(base.method, DescentMethod) or len(network.dims) != _N_WIDTHS:
        return None
    n_in, n_hidden, n_out = network.dims
    if n_hidden < n_in + n_out:  # the hidden layer is too narrow for the representations of the limit
        names = [name for name in names if name != "balance"]
    if not names:
        return None
    trained_on, times = moments(base.task, base.dims), base.resolved_times()
    dims = (n_in, n_hidden, n_out)
    return wide_quantities(dims, network.scheme, network.gains, trained_on, times, base.time_constant, names)


def _nested(parts: Mapping[str, Tree]) -> Tree:
    """Return the parts of a quantity in its own form: one array, parts by name, or a list over layers."""
    if "" in parts:
        return parts[""]
    return list(parts.values()) if all(name.isdecimal() for name in parts) else dict(parts)


def _of_base(error: ServiceError) -> ServiceError:
    """Return the same error with the paths of the base request."""
    detail = error.detail
    for path, _ in error.errors:
        if detail.startswith(f"{path}:"):
            detail = f"base.{detail}"
    return type(error)(detail, tuple((f"base.{path}", text) for path, text in error.errors))
