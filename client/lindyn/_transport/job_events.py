"""What waiting for a job means: follow its events, and ask where they break off. Nothing here does I/O."""

import time
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from pydantic import ValidationError

from lindyn._transport.calls import Call, Pause, Steps, Watch, Within
from lindyn.errors import JobCancelledError, JobFailedError, from_problem
from lindyn.results.sweep import SweepResult, read_sweep_result
from lindyn.wire.job import FINAL, Job

SILENCE_SECONDS = 20.0  # the service says something every 15
PAUSE_SECONDS = 0.2
LEAST_SECONDS = 1.0  # for the first question, however short the wait
BAR_SECONDS = 1.0


def read_job(response: httpx.Response) -> Job:
    """Read the state of a job."""
    return Job.model_validate_json(response.content)


def status(job_id: str) -> Call[Job]:
    """Ask how far a job is."""
    return Call("GET", f"/v1/jobs/{job_id}", read_job)


def cancel(job_id: str) -> Call[Job]:
    """Stop a job."""
    return Call("DELETE", f"/v1/jobs/{job_id}", read_job)


def figure(job_id: str, form: Literal["svg", "png"]) -> Call[bytes]:
    """Get the picture of an experiment."""
    return Call("GET", f"/v1/jobs/{job_id}/figure.{form}", lambda response: response.content)


def described(name: str, job: Job) -> str:
    """What a handle shows of itself."""
    return f"<{name} {job.id} of {job.kind}: {job.state}, {job.completed} of {job.total} points>"


def waiting(job_id: str, progress: bool | None, timeout_seconds: float | None) -> Steps[Job]:
    """Wait for the end of a job, whatever it is, and however the service answers.

    Raises:
        TimeoutError: it has not ended by then.
    """
    with _Follower(job_id, progress, timeout_seconds) as follower:
        job: Job | None = yield Within(status(job_id), max(follower.left, LEAST_SECONDS))
        while job is not None and not follower.heard(job):
            if follower.left > SILENCE_SECONDS:
                yield Within(follower.watch(), follower.left)
            yield Pause(min(PAUSE_SECONDS, follower.left))
            job = yield Within(status(job_id), max(follower.left, PAUSE_SECONDS))  # a last one may be late by that
        return follower.ended()


def finishing(job_id: str, progress: bool | None, timeout_seconds: float | None) -> Steps[SweepResult]:
    """Wait for the end of a job, and get its result.

    Raises:
        JobFailedError, JobCancelledError: there is none.
    """
    job = yield from waiting(job_id, progress, timeout_seconds)
    if job.state == "cancelled":
        raise JobCancelledError(f"job {job.id} was cancelled after {job.completed} of {job.total} points")
    if job.state == "failed":
        cause = None if job.problem is None else from_problem(job.problem)
        raise JobFailedError(f"job {job.id} failed: {cause}", job.problem) from cause
    return (yield Call("GET", f"/v1/jobs/{job_id}/result", read_sweep_result))


class _Follower:
    """The latest state of a job, and a bar that shows it once waiting takes longer than a second."""

    def __init__(self, job_id: str, progress: bool | None, timeout_seconds: float | None) -> None:
        self._job_id = job_id
        self._progress = progress
        self._timeout_seconds = timeout_seconds
        self._started = time.monotonic()
        self._bar: Any = None
        self._job: Job | None = None
        self._is_over = False

    @property
    def left(self) -> float:
        """Seconds that there are still to wait."""
        if self._timeout_seconds is None:
            return float("inf")
        return max(0.0, self._started + self._timeout_seconds - time.monotonic())

    def watch(self) -> Watch:
        """Listen from here on."""
        after = "" if self._job is None else str(self._job.completed)
        return Watch(
            f"/v1/jobs/{self._job_id}/events",
            after,
            SILENCE_SECONDS,
            self.left,
            self._heard_event,
        )

    def _heard_event(self, data: str) -> bool:
        """Stop listening where waiting is over, and to what tells no state: the next question says what that means."""
        try:
            return self.heard(Job.model_validate_json(data))
        except ValidationError:
            return True

    def heard(self, job: Job) -> bool:
        """Show a state; tells whether waiting is over."""
        if self._is_over:  # this stream was given up
            return True
        self._job = job
        waited = time.monotonic() - self._started
        final = job.state in FINAL
        if self._bar is None and (self._progress or (self._progress is None and waited > BAR_SECONDS and not final)):
            self._bar = _bar(job)
        if self._bar is not None:
            self._bar.update(job.completed - self._bar.n)
        return final or self.left == 0

    def ended(self) -> Job:
        """The last state."""
        job = self._job
        if job is None or job.state not in FINAL:
            raise TimeoutError(
                f"job {self._job_id} has not ended after {self._timeout_seconds} s and goes on: "
                f"{'nothing heard' if job is None else f'{job.state}, {job.completed} of {job.total} points'}"
            )
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over = True
        if self._bar is not None:
            self._bar.close()


def _bar(job: Job) -> Any:  # noqa: ANN401 (tqdm has no annotations)
    from tqdm.auto import tqdm  # noqa: PLC0415 (it looks for notebooks, which takes time)

    return tqdm(total=job.total, desc=job.kind, unit="point")
