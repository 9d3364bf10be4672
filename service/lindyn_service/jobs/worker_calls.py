"""Asking worker processes about the request of a job."""

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


class Asker:
    """Has functions of the plan of a job called by workers.

    Args:
        job_id: of the job.
        request: of the job, whole.
    """

    def __init__(self, job_id: str, request: StoredRequest) -> None:
        self._job_id = job_id
        self._forms = (request,) if request.is_short else (request.name, request)

    async def ask(
        self,
        engine: Engine,
        function: Callable[[Plan, *Ts], T],
        *args: *Ts,
        report_seconds: ReportSeconds | None = None,
    ) -> T:
        """Call `function(plan, *args)`; a worker that does not know a long request is sent it.

        Args:
            engine: of the workers.
            function: at the top of a module.
            args: what can be pickled, and small.
            report_seconds: see `Engine.run`.

        Raises:
            DamagedJobError: the request cannot be read.
            Exception: whatever the function or the engine raised.
        """
        for request in self._forms:
            found = await self._attempt(engine, report_seconds, request, function, *args)
            if found is not None:
                return found[0]
        raise AssertionError

    async def _attempt(
        self,
        engine: Engine,
        report_seconds: ReportSeconds | None,
        request: StoredRequest,
        function: Callable[[Plan, *Ts], T],
        *args: *Ts,
    ) -> tuple[T] | None:
        """Make a call; a process that dies on the way costs another attempt."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await engine.run(with_plan, request, function, *args, report_seconds=report_seconds)
            except (BusyError, WorkerLostError) as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("job %s tries again: %s", self._job_id, error)
                await sleep(RETRY_SECONDS * attempt)
        raise AssertionError
