"""Encoded answers, each with the method that solved it."""

from dataclasses import dataclass

_SEPARATOR = b"\n"


@dataclass(frozen=True)
class EncodedAnswer:
    """The bytes of an answer, and the method that solved it."""

    body: bytes
    method: str

    def __len__(self) -> int:
        """Return the number of bytes of the answer."""
        return len(self.body)


def pack(answer: EncodedAnswer) -> bytes:
    """Return an answer with its method, as one value for a cache."""
    return answer.method.encode() + _SEPARATOR + answer.body


def unpack(value: bytes) -> EncodedAnswer:
    """Return the answer that `pack` packed."""
    method, _, body = value.partition(_SEPARATOR)
    return EncodedAnswer(body, method.decode())
