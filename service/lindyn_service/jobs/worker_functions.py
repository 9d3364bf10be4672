"""Functions of a plan that run in worker processes: outline, computation of points, assembly of the result."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """The points of a job as the service knows them.

    Attributes:
        total: number of points.
        flops_per_point: approximate flops that were charged for each point when the job was posted.
        keys: content addresses of all points, concatenated.
        needs: numbers of the points that a point is computed from, for points that are computed from others.
    """

    total: int
    flops_per_point: float
    keys: bytes
    needs: Mapping[int, range]

    def key(self, number: int) -> str:
        """Return the content address of a point in hexadecimal digits."""
        return self.keys[number * _KEY_BYTES : (number + 1) * _KEY_BYTES].hex()

    @property
    def stages(self) -> list[list[int]]:
        """The numbers of the points that are computed from nothing else, then of those that need these."""
        independent = [number for number in range(self.total) if number not in self.needs]
        return [independent, list(self.needs)] if self.needs else [independent]


def outline(plan: Plan) -> Outline:
    """Return the number and the content addresses of all points."""
    total = plan.total
    return Outline(total, plan.flops_per_point, bytes.fromhex("".join(plan.keys(range(total)))), plan.needs)


@dataclass(frozen=True)
class Computed:
    """The first points of a call.

    Attributes:
        seconds: that passed.
        processor_seconds: of the thread, which do not grow with other work on the machine.
        records: of the points.
    """

    seconds: float
    processor_seconds: float
    records: list[bytes]


def compute(plan: Plan, numbers: Sequence[int], seconds: float, needed: Mapping[int, bytes]) -> Computed:
    """Compute the first of these points, as `Plan.compute`."""
    started, used = time.perf_counter(), time.thread_time()
    records = plan.compute(numbers, seconds, needed)
    return Computed(time.perf_counter() - started, time.thread_time() - used, records)


def assemble(
    plan: Plan, job: str, records: Path, file_above_bytes: int, destination: SpoolDestination | None
) -> bytes | None:
    """Assemble all points to one archive.

    Args:
        plan: plan of the job.
        job: id of the job.
        records: file of all points, written by `write_records`.
        file_above_bytes: size above which the archive is written to a file.
        destination: where that file is written; None if archives are never written to a file.

    Returns:
        The archive, or None if it was written to its file.

    Raises:
        TooLargeError: the archive is larger than a result may be.
        NoRoomError: the spool is too small for the file.
        BusyError: the spool has no room at the moment.
    """
    with records.open("rb") as file:
        archive = plan.table(job, _read_records(file))
    if destination is not None and archive.size > destination.max_bytes:
        raise NoRoomError(
            f"the result takes {archive.size} bytes, the limit is {destination.max_bytes} (LINDYN_RESULTS_BYTES); ask "
            "for fewer points or times, or ask the operator of the service for a higher limit"
        )
    return bytes_or_file(archive.size, file_above_bytes, destination, archive.pack, archive.write)


def write_records(file: IO[bytes], records: Iterable[bytes]) -> None:
    """Append records to a file, each after its length."""
    for record in records:
        file.write(len(record).to_bytes(_LENGTH_BYTES, "little"))
        file.write(record)
    file.flush()


def _read_records(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the records of a file; reserved space that was not written is zero, which ends the iteration."""
    while size := int.from_bytes(file.read(_LENGTH_BYTES), "little"):
        yield file.read(size)
