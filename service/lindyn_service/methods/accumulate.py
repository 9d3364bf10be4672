"""Accumulation of quantities over batches of times."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np

from lindyn.wire.tree import flatten
from lindyn_service.dynamics.alignment import PARTLY_DEFINED
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import OBSERVABLES, Values
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import Quantities, Quantity


class Accumulator:
    """Arrays of the requested quantities, time first, which are filled batch by batch."""

    def __init__(self, names: Sequence[str], n_times: int) -> None:
        self._n_times = n_times
        self._gathered: dict[str, Quantity] = dict.fromkeys(names)
        self._observed = [name for name in names if name in OBSERVABLES]

    @property
    def names(self) -> Sequence[str]:
        """Names of the requested quantities."""
        return tuple(self._gathered)

    def observe(self, part: slice, weights: ModalWeights, skip: Iterable[str] = ()) -> None:
        """Evaluate and store the requested observables.

        Args:
            part: indices of the times.
            weights: the network at these times.
            skip: observables that are left out.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # `quantities` raises an error that names them
            for name in self._observed:
                if name not in skip:
                    self.store(part, name, OBSERVABLES[name](weights))

    def store(self, part: slice, name: str, values: Values | Sequence[np.ndarray]) -> None:
        """Store the values of a quantity at some times: an array, a mapping or a list of arrays.

        A quantity that was not requested is ignored.
        """
        if name in self._gathered:
            self._gathered[name] = self._filled(self._gathered[name], part, values)

    def store_all(self, name: str, values: np.ndarray) -> None:
        """Store the values of a requested quantity at all times, without a copy."""
        self._gathered[name] = values

    def gathered(self, name: str) -> np.ndarray:
        """Return the values stored so far of a quantity that is a single array."""
        return cast("np.ndarray", self._gathered[name])

    def quantities(self) -> Quantities:
        """Return all stored quantities, in the order of the names.

        Raises:
            NotApplicableError: values of a quantity that is defined at all times are not finite.
        """
        always_defined = {name: value for name, value in self._gathered.items() if name not in PARTLY_DEFINED}
        overflowing = [
            name for name, value in always_defined.items() if not all(map(_is_finite, flatten({name: value}).values()))
        ]
        if overflowing:
            raise NotApplicableError(
                f"{', '.join(overflowing)} overflow float64 for weights and data of this size; scale these to the "
                "order of one, or leave the quantities out"
            )
        return self._gathered

    def _filled(self, stored: Quantity, part: slice, values: Values | Sequence[np.ndarray]) -> Quantity:
        """Write values at some times into the stored tree of arrays, which is allocated if it is None."""
        match values:
            case np.ndarray():
                filled: np.ndarray = np.empty((self._n_times, *values.shape[1:])) if stored is None else stored
                filled[part] = values
                return filled
            case Mapping():
                parts = stored or dict.fromkeys(values)
                return {name: self._filled(parts[name], part, value) for name, value in values.items()}
            case _:
                layers = stored or [None] * len(values)
                return [self._filled(old, part, value) for old, value in zip(layers, values, strict=True)]


def _is_finite(values: np.ndarray) -> bool:
    # the sum is faster to check; it may overflow although all values are finite
    return bool(np.isfinite(np.sum(values)) or np.all(np.isfinite(values)))
