"""Quantities of all times from frames of some."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from lindyn_service.dynamics.alignment import PARTLY_DEFINED
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import OBSERVABLES, Values
from lindyn_service.errors import NotApplicableError


class Accumulator:
    """Gathers what is asked, batch by batch, into arrays with time first."""

    def __init__(self, names: Sequence[str], n_times: int) -> None:
        self._n_times = n_times
        self._gathered: dict[str, Any] = dict.fromkeys(names)
        self._observed = [name for name in names if name in OBSERVABLES]

    @property
    def names(self) -> Sequence[str]:
        """Of the quantities."""
        return tuple(self._gathered)

    def observe(self, part: slice, frame: ModalWeights, skip: Iterable[str] = ()) -> None:
        """Read the quantities that a frame has, but for some."""
        with np.errstate(over="ignore", invalid="ignore"):  # refused below, by their names
            for name in self._observed:
                if name not in skip:
                    self.store(part, name, OBSERVABLES[name](frame))

    def store(self, part: slice, name: str, values: Values | Sequence[np.ndarray]) -> None:
        """Put a quantity's values at some times, if it is asked for: an array, a mapping or a list of arrays."""
        if name in self._gathered:
            self._gathered[name] = self._filled(self._gathered[name], part, values)

    def place(self, name: str, values: np.ndarray) -> None:
        """Put a quantity's values at all times, which is asked for, without a copy."""
        self._gathered[name] = values

    def gathered(self, name: str) -> np.ndarray:
        """The values so far of a quantity that is one array."""
        return cast("np.ndarray", self._gathered[name])

    def quantities(self) -> dict[str, Any]:
        """All that was gathered, in the order of the names.

        Raises:
            NotApplicableError: some of it is not finite that is defined at all times.
        """
        always = {name: value for name, value in self._gathered.items() if name not in PARTLY_DEFINED}
        beyond = [name for name, value in always.items() if not _is_finite(value)]
        if beyond:
            raise NotApplicableError(
                f"{', '.join(beyond)} overflow float64 for weights and data of this size; scale these to the order of "
                "one, or leave the quantities out"
            )
        return self._gathered

    def _filled(self, whole: Any, part: slice, values: Values | Sequence[np.ndarray]) -> Any:  # noqa: ANN401 (a tree)
        match values:
            case np.ndarray():
                filled: np.ndarray = np.empty((self._n_times, *values.shape[1:])) if whole is None else whole
                filled[part] = values
                return filled
            case Mapping():
                parts = whole or dict.fromkeys(values)
                return {name: self._filled(parts[name], part, value) for name, value in values.items()}
            case _:
                layers = whole or [None] * len(values)
                return [self._filled(old, part, value) for old, value in zip(layers, values, strict=True)]


def _is_finite(value: Any) -> bool:  # noqa: ANN401 (a tree)
    match value:
        case dict():
            return all(map(_is_finite, cast("dict[str, Any]", value).values()))
        case list():
            return all(map(_is_finite, cast("list[Any]", value)))
        case _:
            # a sum is faster to check, and only doubtful where it overflows
            return bool(np.isfinite(np.sum(value)) or np.all(np.isfinite(value)))
