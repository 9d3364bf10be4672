"""Execution of one request: validation of its body, its key, and computation of the answer.

These functions run in worker processes; the service itself validates small bodies.
"""

import hashlib
import itertools
from dataclasses import dataclass

from lindyn.wire.base import LARGEST_SEED, Request
from lindyn_service.errors import TooLargeError
from lindyn_service.methods.cost import Cost
from lindyn_service.operations.registry import OPERATIONS, RegisteredOperation, normalise
from lindyn_service.spool.format import bytes_or_file
from lindyn_service.spool.space import SpoolDestination
from lindyn_service.translate.body import Body
from lindyn_service.translate.encode import Format, encode, size_of, write

NO_METHOD = "none"
"""Method of the operations that have only one way to compute their answers."""


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it was received.

    Attributes:
        body: the unparsed body.
        token: random bytes from which omitted seeds are derived, so that each parse of the body gives the same seeds.
    """

    body: Body
    token: bytes


@dataclass(frozen=True)
class Address:
    """The key and the cost of a validated request.

    Attributes:
        key: content address of the normalised request.
        cost: estimated cost.
        repeatable: whether all seeds are explicit, so that the same body is always the same request.
    """

    key: str
    cost: Cost
    repeatable: bool


@dataclass(frozen=True)
class AnswerBounds:
    """The largest size of an answer, and the size above which it is written to a file."""

    largest_bytes: int
    file_above_bytes: int


@dataclass(frozen=True)
class ComputedAnswer:
    """What a worker returns for a request.

    Attributes:
        method: method that solved it, or NO_METHOD.
        body: the encoded answer, or None if it was written to its file, with the method as the note.
    """

    method: str
    body: bytes | None


def read_and_address(operation: RegisteredOperation, received: ReceivedRequest) -> tuple[Request, Address]:
    """Validate a request, derive its omitted seeds, and compute its key and cost.

    Raises:
        ServiceError: the body is not a valid request of the operation.
    """
    parsed = received.body.read(operation.model, operation.conflicts)
    counter = itertools.count()
    normalised, key = normalise(operation, parsed, lambda: _derived_seed(received.token, next(counter)))
    return normalised, Address(key, operation.cost(normalised), normalised is parsed)


def address(name: str, received: ReceivedRequest) -> Address:
    """Compute the address of a request of the operation with this name; for worker processes."""
    return read_and_address(OPERATIONS[name], received)[1]


def answer(
    name: str,
    source: Request | ReceivedRequest,
    key: str,
    form: Format,
    bounds: AnswerBounds,
    destination: SpoolDestination | None,
) -> ComputedAnswer:
    """Compute and encode the answer to a request; for worker processes.

    Args:
        name: name of the operation.
        source: the normalised request, or the received request that was passed to `address`.
        key: key of the request.
        form: format of the answer.
        bounds: limits of the size of the answer.
        destination: where the file of a large answer is written; None if answers are never written to a file.

    Raises:
        TooLargeError: the answer is larger than allowed.
        NoRoomError: the spool has no room for the file.
        ServiceError: raised by the operation.
    """
    operation = OPERATIONS[name]
    request = read_and_address(operation, source)[0] if isinstance(source, ReceivedRequest) else source
    document = operation.compute(request, key)
    size = size_of(document, form)
    if size > bounds.largest_bytes:
        raise TooLargeError(
            f"the answer takes about {size} bytes, the limit is {bounds.largest_bytes}; {operation.remedy}"
        )
    method = str(document.get("method", NO_METHOD))
    body = bytes_or_file(
        size,
        bounds.file_above_bytes,
        destination,
        lambda: encode(document, form),
        lambda file: write(document, form, file),
        method,
    )
    return ComputedAnswer(method, body)


def _derived_seed(token: bytes, number: int) -> int:
    return int.from_bytes(hashlib.sha256(token + number.to_bytes(8)).digest()) % (LARGEST_SEED + 1)
