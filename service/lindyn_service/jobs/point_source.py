"""Where the points of a job come from: the cache, or else an engine that computes them now."""

from collections.abc import Sequence

from anyio import CancelScope

from lindyn_service.errors import TooLargeError
from lindyn_service.jobs.fair_shares import Share
from lindyn_service.jobs.points import MOST_BYTES, is_refusal
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.worker_calls import Asker
from lindyn_service.jobs.worker_functions import Outline, compute

CHUNK_SECONDS = 0.3  # long against the 1 ms that a chunk costs, short against the second in which a job is cancelled
KEPT_BYTES = 2**21  # of the points of a job, which then need not be read back


class PointSource:
    """Obtains points; a few of them stay in memory.

    Args:
        owner: pays for what is computed.
        outline: of the points.
        asker: of the job.
        means: of all jobs.
        share: of the job in the engine.
    """

    def __init__(self, owner: str | None, outline: Outline, asker: Asker, means: JobResources, share: Share) -> None:
        self.seconds_per_point: float | None = None
        self.total = outline.total
        self._owner = owner
        self._outline = outline
        self._asker = asker
        self._means = means
        self._share = share
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = self._record_bytes = 0

    async def obtain(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """The bytes of some points by their numbers; of large or slow ones, the first, which is one at least."""
        kept = {number: self._kept[number] for number in numbers if number in self._kept}
        others = [number for number in numbers if number not in kept]
        return kept | await self._find_or_compute(others) if others else kept

    def count(self, number: int, record: bytes) -> None:
        """Take note of a point that is obtained for the first time.

        Raises:
            TooLargeError: all of them have too many bytes.
        """
        self._record_bytes += len(record)
        if self._record_bytes > self._means.most_record_bytes:
            raise TooLargeError(
                f"the points take more than {self._means.most_record_bytes} bytes together, which is the limit (a "
                "multiple of LINDYN_MAX_RESULT_BYTES); collect scalars instead of quantities, or fewer points or times"
            )
        if self._kept_bytes + len(record) <= KEPT_BYTES:
            self._kept_bytes += len(record)
            self._kept[number] = record

    async def _find_or_compute(self, numbers: Sequence[int]) -> dict[int, bytes]:
        names = {number: f"point:{self._outline.key(number)}" for number in numbers}
        cached = await self._means.cache.get_many(list(names.values()), MOST_BYTES)
        found = dict(zip(numbers, cached, strict=False))
        records = {number: record for number, record in found.items() if record is not None}
        missing = [number for number in found if number not in records]
        if missing:
            seconds, computed = await self._paid(missing)
            self._share.charge(seconds)
            self.seconds_per_point = max(seconds / len(computed), 1e-6)
            fresh = dict(zip(missing, computed, strict=False))
            lasting = {names[number]: record for number, record in fresh.items() if not is_refusal(record)}
            await self._means.cache.put_many(lasting)
            records |= fresh
        return records

    async def _paid(self, numbers: Sequence[int]) -> tuple[float, list[bytes]]:
        """Compute the first of some points; their owner pays for the time of the worker, to whatever end."""
        taken: list[float] = []
        done = 1
        try:
            asked = compute, numbers, CHUNK_SECONDS
            seconds, computed = await self._asker.ask(self._means.engine, *asked, report_seconds=taken.append)
            done = len(computed)
        finally:
            with CancelScope(shield=True):
                spent = done * self._outline.flops_of_a_point
                await self._means.charges.charge(self._owner, sum(taken), spent)
        return seconds, computed
