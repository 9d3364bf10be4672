"""What is done with one request: its body read, its key found, the answer computed, and handed over or filed.

All of it runs in a worker process; small bodies are read by the service itself.
"""

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

from lindyn.wire.base import LARGEST_SEED, Request
from lindyn_service.errors import TooLargeError
from lindyn_service.methods.cost import Cost
from lindyn_service.operations.registry import OPERATIONS, Operation, normalise
from lindyn_service.spool.format import bytes_or_file
from lindyn_service.spool.space import SpoolDestination
from lindyn_service.translate.body import Body
from lindyn_service.translate.encode import Format, encode, size_of, write


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came.

    Attributes:
        body: its body.
        token: random bytes, of which the seeds that it omits are made: the same each time that it is read.
    """

    body: Body
    token: bytes


@dataclass(frozen=True)
class Address:
    """What is known of a request once it was read.

    Attributes:
        key: its content address.
        cost: what it is estimated to cost.
        repeats: whether its body asks for the same each time, since it has all its seeds.
    """

    key: str
    cost: Cost
    repeats: bool


@dataclass(frozen=True)
class AnswerBounds:
    """Of an answer: how large it may be, and from which size on it travels by a file."""

    largest_bytes: int
    file_above_bytes: int


def take(operation: Operation[Any], sent: ReceivedRequest) -> tuple[Request, Address]:
    """Read a request, draw its seeds, and address it.

    Raises:
        ServiceError: it is not such a request.
    """
    asked = sent.body.read(operation.model, operation.conflicts)
    counter = itertools.count()
    normal, key = normalise(operation, asked, lambda: _seed(sent.token, next(counter)))
    return normal, Address(key, operation.cost(normal), normal is asked)


def address(name: str, sent: ReceivedRequest) -> Address:
    """The address of a request whose operation has this name; for worker processes."""
    return take(OPERATIONS[name], sent)[1]


def answer(
    name: str,
    source: Request | ReceivedRequest,
    key: str,
    form: Format,
    bounds: AnswerBounds,
    place: SpoolDestination | None,
) -> bytes | None:
    """Answer a request; for worker processes.

    Args:
        name: of the operation.
        source: the normalised request, or what `address` was given.
        key: of the request.
        form: of the answer.
        bounds: of its size.
        place: of the file for a large answer; None: it does not travel by a file.

    Returns:
        The encoded answer, or None if it is in its file.

    Raises:
        TooLargeError: the answer is larger than allowed.
        NoRoomError: there is no room for the file.
        ServiceError: whatever the operation says.
    """
    operation = OPERATIONS[name]
    request = take(operation, source)[0] if isinstance(source, ReceivedRequest) else source
    document = operation.compute(request, key)
    size = size_of(document, form)
    if size > bounds.largest_bytes:
        raise TooLargeError(
            f"the answer takes about {size} bytes, the limit is {bounds.largest_bytes}; {operation.remedy}"
        )
    return bytes_or_file(
        size,
        bounds.file_above_bytes,
        place,
        lambda: encode(document, form),
        lambda file: write(document, form, file),
    )


def _seed(token: bytes, number: int) -> int:
    return int.from_bytes(hashlib.sha256(token + number.to_bytes(8)).digest()) % (LARGEST_SEED + 1)
