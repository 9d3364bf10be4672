"""Source of the points of a job: memory, the cache, or an engine that computes them."""

from collections.abc import Collection, Sequence

from anyio import CancelScope

from lindyn_service.errors import TooLargeError
from lindyn_service.jobs.fair_shares import Share
from lindyn_service.jobs.points import MAX_CALL_BYTES, is_refusal
from lindyn_service.jobs.resources import JobResources
from lindyn_service.jobs.worker_calls import PlanCaller
from lindyn_service.jobs.worker_functions import Computed, Outline, compute

CHUNK_SECONDS = 0.3  # much longer than the overhead of a chunk, 1 ms, and shorter than a cancellation may take, 1 s


class PointSource:
    """Obtains points from the cache or the engine, and keeps the first of them in memory until it is closed.

    Args:
        owner: owner of the job, who is charged for the computation.
        outline: number and content addresses of the points.
        plan_caller: calls functions of the plan of the job in workers.
        resources: resources of all jobs.
        share: share of the job in the engine.
    """

    def __init__(
        self, owner: str | None, outline: Outline, plan_caller: PlanCaller, resources: JobResources, share: Share
    ) -> None:
        self.seconds_per_point: float | None = None
        self.total = outline.total
        self._owner = owner
        self._outline = outline
        self._plan_caller = plan_caller
        self._resources = resources
        self._share = share
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = self._record_bytes = 0

    async def obtain(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Return the records of points by their numbers; of large or slow points only the first ones, at least one."""
        kept = {number: self._kept[number] for number in numbers if number in self._kept}
        missing = [number for number in numbers if number not in kept]
        return kept | await self._find_or_compute(missing) if missing else kept

    async def _obtain_all(self, numbers: Collection[int]) -> dict[int, bytes]:
        """Return the records of all of these points."""
        records: dict[int, bytes] = {}
        while missing := sorted(set(numbers).difference(records)):
            records |= await self.obtain(missing)
        return records

    def count(self, number: int, record: bytes) -> None:
        """Count the bytes of a point that was obtained for the first time.

        Raises:
            TooLargeError: all points together have too many bytes.
        """
        self._record_bytes += len(record)
        if self._record_bytes > self._resources.max_record_bytes:
            raise TooLargeError(
                f"the points take more than {self._resources.max_record_bytes} bytes together, which is the limit (a "
                "multiple of LINDYN_MAX_RESULT_BYTES); collect scalars instead of quantities, or fewer points or times"
            )
        if self._resources.point_memory.take(len(record)):
            self._kept_bytes += len(record)
            self._kept[number] = record

    def close(self) -> None:
        """Release the memory of the points that were kept."""
        self._kept.clear()
        self._resources.point_memory.release(self._kept_bytes)
        self._kept_bytes = 0

    async def _find_or_compute(self, numbers: Sequence[int]) -> dict[int, bytes]:
        names = {number: f"record:{self._outline.key(number)}" for number in numbers}
        cached = await self._resources.cache.get_many(list(names.values()), MAX_CALL_BYTES)
        looked_up = dict(zip(numbers, cached, strict=False))
        records = {number: record for number, record in looked_up.items() if record is not None}
        missing = [number for number in looked_up if number not in records]
        if missing:
            computed = await self._compute(missing)
            self._share.charge(computed.seconds)
            # by elapsed time, other work would make chunks small, and small chunks are slow: they have no blocks
            self.seconds_per_point = max(computed.processor_seconds / len(computed.records), 1e-6)
            new_records = dict(zip(missing, computed.records, strict=False))
            cacheable = {names[number]: record for number, record in new_records.items() if not is_refusal(record)}
            await self._resources.cache.put_many(cacheable)
            records |= new_records
        return records

    async def _compute(self, numbers: Sequence[int]) -> Computed:
        """Compute the first of these points; the owner is charged for the time of the worker even if it fails."""
        needed = await self._obtain_all({need for number in numbers for need in self._outline.needs.get(number, ())})
        worker_seconds: list[float] = []
        n_computed = 1
        try:
            arguments = compute, numbers, CHUNK_SECONDS, needed
            computed = await self._plan_caller.call(
                self._resources.engine, *arguments, report_seconds=worker_seconds.append
            )
            n_computed = len(computed.records)
        finally:
            with CancelScope(shield=True):
                charged_flops = n_computed * self._outline.flops_per_point
                await self._resources.charges.charge(self._owner, sum(worker_seconds), charged_flops)
        return computed
