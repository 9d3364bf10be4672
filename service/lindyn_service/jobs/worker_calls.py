"""Calls of functions of the plan of a job in worker processes."""

import logging
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import sleep

from lindyn_service.engine.base import Engine, ReportSeconds
from lindyn_service.errors import BusyError, WorkerLostError
from lindyn_service.jobs.plan import Plan
from lindyn_service.jobs.stored_requests import StoredRequest, with_plan

ATTEMPTS = 5
RETRY_SECONDS = 0.5

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = logging.getLogger(__name__)


class PlanCaller:
    """Calls functions of the plan of a job in workers.

    Args:
        job_id: id of the job.
        request: request of the job, with its document.
    """

    def __init__(self, job_id: str, request: StoredRequest) -> None:
        self._job_id = job_id
        self._requests = (request,) if request.is_short else (request.without_document, request)

    async def call(
        self,
        engine: Engine,
        function: Callable[[Plan, *Ts], T],
        *args: *Ts,
        report_seconds: ReportSeconds | None = None,
    ) -> T:
        """Call `function(plan, *args)`; a long request is sent only to a worker that does not have its plan.

        Args:
            engine: engine of the workers.
            function: a function at the top of a module.
            args: small arguments that can be pickled.
            report_seconds: see `Engine.run`.

        Raises:
            DamagedJobError: the request cannot be parsed.
            Exception: raised by the function or the engine.
        """
        for request in self._requests:
            result = await self._call_with_retries(engine, report_seconds, request, function, *args)
            if result is not None:
                return result[0]
        raise AssertionError

    async def _call_with_retries(
        self,
        engine: Engine,
        report_seconds: ReportSeconds | None,
        request: StoredRequest,
        function: Callable[[Plan, *Ts], T],
        *args: *Ts,
    ) -> tuple[T] | None:
        """Make a call, and repeat it a few times if the worker dies or the queue is full."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await engine.run(with_plan, request, function, *args, report_seconds=report_seconds)
            except (BusyError, WorkerLostError) as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("job %s tries again: %s", self._job_id, error)
                await sleep(RETRY_SECONDS * attempt)
        raise AssertionError
