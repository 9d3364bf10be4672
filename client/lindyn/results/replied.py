"""What all results have that keep the whole reply of the service."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

_Warning_co = TypeVar("_Warning_co", covariant=True)


class _Versioned(Protocol):
    @property
    def version(self) -> str: ...


class _Warned(Protocol[_Warning_co]):
    @property
    def warnings(self) -> Sequence[_Warning_co]: ...


class _WithVersion(Protocol):
    @property
    def reply(self) -> _Versioned: ...


class _WithWarnings(Protocol[_Warning_co]):
    @property
    def reply(self) -> _Warned[_Warning_co]: ...


class Replied:
    """Results with the attribute `reply`."""

    @property
    def warnings(self: _WithWarnings[_Warning_co]) -> Sequence[_Warning_co]:
        """Warnings about the result."""
        return self.reply.warnings

    @property
    def version(self: _WithVersion) -> str:
        """Version of the service."""
        return self.reply.version
