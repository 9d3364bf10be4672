"""Definition of an experiment: parameters, independent cells of work, a table and a figure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Mapping[str, Any]
"""Values of the parameters by name: numbers, or lists of numbers."""

Cell = Values
"""An independent unit of work, described by numbers, strings and lists of these."""

Result = Mapping[str, np.ndarray]
"""The arrays that a cell computes, by name."""


@dataclass(frozen=True)
class Parameter:
    """A number, or a list of numbers, that a request may override.

    Attributes:
        default: published value; a list for a parameter that takes several values.
        description: meaning and unit.
        low: smallest allowed value.
        high: largest allowed value.
        longest: largest allowed length of a list.
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
        coordinates: values along each dimension, strings or numbers, by the name of the dimension.
        data: dimensions and values of each quantity, by its name; missing values are NaN.
    """

    coordinates: Mapping[str, Sequence[Any] | np.ndarray]
    data: Mapping[str, tuple[tuple[str, ...], np.ndarray]]

    def values(self, name: str) -> np.ndarray:
        """Return the array of a quantity."""
        return self.data[name][1]


@dataclass(frozen=True)
class Experiment:
    """A named experiment.

    Attributes:
        name: name in the API, as `figure-3.4`.
        title: title in one line.
        description: protocol and source.
        parameters: parameters that a request may override, with the published defaults; a random experiment has `seed`.
        cells: splits the work into independent cells of a few seconds at most.
        run: computes one cell; a pure function that runs in a worker process.
        tabulate: combines the results of all cells, in their order, into one table.
        draw: draws the figure of a table.
        seconds: estimates the seconds of a cell on one worker from the parameters; fitted to measurements with the
            published values (`benchmarks/estimates.py`).
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

    def defaults(self) -> Values:
        """Return the published values of the parameters."""
        return {name: parameter.default for name, parameter in self.parameters.items()}
