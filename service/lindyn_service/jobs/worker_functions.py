"""What worker processes do with the plan of a job: tell its outline, compute some points, put all of them together."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lindyn_service.errors import NoRoomError
from lindyn_service.jobs.plan import Plan
from lindyn_service.spool.format import bytes_or_file
from lindyn_service.spool.space import SpoolDestination

_KEY_BYTES = 32
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class Outline:
    """What the service knows of the points of a job.

    Attributes:
        total: how many there are.
        flops_of_a_point: what was counted for each when the job was posted, or about that.
        addresses: of all of them, one after the other.
    """

    total: int
    flops_of_a_point: float
    addresses: bytes

    def key(self, number: int) -> str:
        """The content address of a point."""
        return self.addresses[number * _KEY_BYTES : (number + 1) * _KEY_BYTES].hex()


def outline(plan: Plan) -> Outline:
    """Count and address all points."""
    total = plan.total
    return Outline(total, plan.flops_of_a_point, bytes.fromhex("".join(plan.keys(range(total)))))


def compute(plan: Plan, numbers: Sequence[int], seconds: float) -> tuple[float, list[bytes]]:
    """Compute the first of some points, as `Plan.compute`; also tell how many seconds that took."""
    started = time.perf_counter()
    records = plan.compute(numbers, seconds)
    return time.perf_counter() - started, records


def assemble(plan: Plan, job: str, records: Path, above_bytes: int, place: SpoolDestination | None) -> bytes | None:
    """Put all points into one archive.

    Args:
        plan: of the job.
        job: its id.
        records: the file of all points, as `write_records` wrote it.
        above_bytes: a larger archive is written to a file.
        place: of that file; None: there is none for it.

    Returns:
        The archive, or None if it is in its file.

    Raises:
        TooLargeError: it takes more bytes than a result may.
        NoRoomError: there is no room for the file.
        BusyError: there is none now.
    """
    with records.open("rb") as file:
        archive = plan.table(job, _read_records(file))
    if place is not None and archive.size > place.max_bytes:
        raise NoRoomError(
            f"the result takes {archive.size} bytes, at most {place.max_bytes} are kept; ask for fewer points or "
            "times, or tell whoever runs the service (LINDYN_RESULTS_BYTES)"
        )
    return bytes_or_file(archive.size, above_bytes, place, archive.pack, archive.write)


def write_records(file: IO[bytes], records: Iterable[bytes]) -> None:
    """Append points to a file, each after its length."""
    for record in records:
        file.write(len(record).to_bytes(_LENGTH_BYTES, "little"))
        file.write(record)
    file.flush()


def _read_records(file: IO[bytes]) -> Iterator[bytes]:
    """All points of a file, one after the other; what was reserved and not written is zero."""
    while size := int.from_bytes(file.read(_LENGTH_BYTES), "little"):
        yield file.read(size)
