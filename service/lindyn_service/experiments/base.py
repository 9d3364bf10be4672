"""What an experiment is: parameters, independent cells of work, a table and a picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Mapping[str, Any]
"""Parameters by their name: numbers, or lists of numbers."""

Cell = Mapping[str, Any]
"""One piece of work, in numbers, strings and lists of them."""

Result = Mapping[str, np.ndarray]
"""What a cell computes."""


@dataclass(frozen=True)
class Parameter:
    """A number, or a list of numbers, that a request may override.

    Attributes:
        default: as published; a list where several values are taken.
        description: what it is, with its unit.
        low: least value.
        high: largest value.
        longest: largest length of a list.
    """

    default: float | int | Sequence[float] | Sequence[int]
    description: str
    low: float
    high: float
    longest: int = 100


@dataclass(frozen=True)
class Table:
    """Labelled arrays.

    Attributes:
        coordinates: values along each dimension, by its name; strings or numbers.
        data: dimensions and values of each quantity; NaN where there is none.
    """

    coordinates: Mapping[str, Sequence[Any] | np.ndarray]
    data: Mapping[str, tuple[tuple[str, ...], np.ndarray]]

    def values(self, name: str) -> np.ndarray:
        """The array of a quantity."""
        return self.data[name][1]


@dataclass(frozen=True)
class Experiment:
    """A named experiment.

    Attributes:
        name: `figure-3.4`.
        title: one line.
        description: protocol and source.
        parameters: what may be overridden; each has the published default. `seed` is one of them where chance plays.
        cells: splits the work into independent cells of some seconds at most.
        run: computes one cell; pure, in a worker process.
        tabulate: puts the results of all cells, in their order, into one table.
        draw: draws the table.
        seconds: what a cell takes one worker with some parameters, as measured with the published ones
            (`benchmarks/estimates.py`).
    """

    name: str
    title: str
    description: str
    parameters: Mapping[str, Parameter]
    cells: Callable[[Values], list[Cell]]
    run: Callable[[Values, Cell], Result]
    tabulate: Callable[[Values, Sequence[Result]], Table]
    draw: Callable[[Table], "Figure"] = field(repr=False)
    seconds: Callable[[Values], float]

    def defaults(self) -> dict[str, Any]:
        """The published parameters."""
        return {name: parameter.default for name, parameter in self.parameters.items()}
