"""Results whose parts have names."""

from abc import ABC, abstractmethod
from typing import Any


class Named(ABC):
    """Parts by their names: `result[name]`, `name in result`."""

    __iter__ = None  # otherwise Python would ask for result[0]

    @abstractmethod
    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (parts have many types)
        """Return a part by its name.

        Raises:
            UnknownNameError: there is no such part; this is also a KeyError.
        """

    def __contains__(self, name: str) -> bool:
        """Return whether the result has a part of this name."""
        try:
            self[name]
        except KeyError:
            return False
        return True
