"""Replies that are neither trajectories nor statistics over them, such as balances and designs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.wire.array import FloatArray
from lindyn.wire.wording import not_part_of

_MAX_SHOWN = 8  # numbers of an array that a line shows


@public
@dataclass(frozen=True, repr=False, eq=False)
class Analysis:
    """A reply other than a trajectory: its fields are attributes and items, and arrays are numpy arrays."""

    fields: Mapping[str, object]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (fields have many types)
        """Return a field by its name.

        Raises:
            UnknownNameError: the reply has no such field; this is also a KeyError.
        """
        if name not in self.fields:
            raise UnknownNameError(not_part_of("answer", name, self.fields))
        value = self.fields[name]
        return Analysis(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (fields have many types)
        """Return a field; the field `lambda` is the attribute `lam`."""
        if "fields" not in self.__dict__:  # copying looks up attributes before any is set
            raise AttributeError(name)
        try:
            return self["lambda" if name == "lam" else name]
        except UnknownNameError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.fields]

    def __repr__(self) -> str:
        return "<Analysis" + "".join(f"\n  {name}: {text}" for name, text in self._rows()) + ">"

    def _repr_html_(self) -> str:
        from lindyn.results.html import card  # noqa: PLC0415 (needed in notebooks only)

        return card("Analysis", self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        return [(name, _text(value)) for name, value in self.fields.items()]


def _text(value: Any) -> str:  # noqa: ANN401 (fields have many types)
    """Return a value in one line; arrays and mappings with many entries by their shape and their names."""
    if isinstance(value, np.ndarray):
        array = cast("FloatArray", value)
        return f"array {array.shape}" if array.size > _MAX_SHOWN else str(array.tolist())
    if isinstance(value, list) and any(isinstance(each, np.ndarray) for each in cast("list[Any]", value)):
        return ", ".join(_text(each) for each in cast("list[Any]", value))
    if isinstance(value, Mapping):
        return ", ".join(cast("Mapping[str, Any]", value))
    return f"{value:.10g}" if isinstance(value, float) else f"{value}"
