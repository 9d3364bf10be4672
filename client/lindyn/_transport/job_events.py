"""Requests about a job, and the steps of waiting for its end. Nothing here does I/O."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, Self, TypeAlias, TypeVar, get_args

import httpx
from pydantic import ValidationError

from lindyn._transport.calls import Call, Listen, Pause, Steps, WithTimeout
from lindyn._transport.paths import path_of
from lindyn.errors import ArgumentError, JobCancelledError, JobFailedError, from_problem
from lindyn.wire.job import FINAL, Job

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

Picture: TypeAlias = Literal["svg", "png", "pdf"]
"""Format of the picture of an experiment."""
PICTURES: tuple[Picture, ...] = get_args(Picture)

SILENCE_SECONDS = 20.0  # the service sends an event or a comment every 15 seconds
PAUSE_SECONDS = 0.2
MIN_SECONDS = 1.0  # for the first request, however short the timeout of the caller
BAR_SECONDS = 1.0


def read_job(response: httpx.Response) -> Job:
    """Decode the state of a job."""
    return Job.model_validate_json(response.content)


def status(job_id: str) -> Call[Job]:
    """Request the state of a job."""
    return Call("GET", _path(job_id), read_job)


def cancel(job_id: str) -> Call[Job]:
    """Request the end of a job."""
    return Call("DELETE", _path(job_id), read_job)


def figure(job_id: str, form: Picture) -> Call[bytes]:
    """Request the picture of an experiment.

    Raises:
        ArgumentError: there are no pictures of this format.
    """
    if form not in PICTURES:
        raise ArgumentError(f"got the format {form!r}, expected {', '.join(map(repr, PICTURES))}")
    return Call("GET", f"{_path(job_id)}/figure.{form}", lambda response: response.content)


def drawing(job_id: str, read: Callable[[httpx.Response], T]) -> Call[T]:
    """Request the figure of an experiment as data."""
    return Call("GET", f"{_path(job_id)}/figure.json", read)


def _path(job_id: str) -> str:
    return path_of("/v1/jobs", "job_id", job_id)


def handle_repr(class_name: str, job: Job) -> str:
    """Return the representation of a job handle."""
    return f"<{class_name} {job.id} of {job.kind}: {job.state}, {job.completed} of {job.total} points>"


def wait_for_end(job_id: str, progress: bool | None, timeout_seconds: float | None) -> Steps[Job]:
    """Wait until a job has ended in any state.

    The job's events are followed while they arrive. If the stream of events ends, the state is requested repeatedly.

    Raises:
        TimeoutError: the job has not ended after the timeout.
    """
    with _Progress(job_id, progress, timeout_seconds) as waited:
        job: Job | None = yield WithTimeout(status(job_id), max(waited.remaining_seconds, MIN_SECONDS))
        while job is not None and not waited.update(job):
            if waited.remaining_seconds > SILENCE_SECONDS:
                yield WithTimeout(waited.listen(), waited.remaining_seconds)
            yield Pause(min(PAUSE_SECONDS, waited.remaining_seconds))
            # the last request may end after the timeout of the caller by as much as a pause
            job = yield WithTimeout(status(job_id), max(waited.remaining_seconds, PAUSE_SECONDS))
        return waited.ended_job()


def wait_for_result(
    job_id: str, progress: bool | None, timeout_seconds: float | None, read: Callable[[httpx.Response], T]
) -> Steps[T]:
    """Wait until a job has ended, and request its result.

    Raises:
        JobFailedError, JobCancelledError: the job has no result.
        TimeoutError: the job has not ended after the timeout.
    """
    job = yield from wait_for_end(job_id, progress, timeout_seconds)
    if job.state == "cancelled":
        raise JobCancelledError(f"job {job.id} was cancelled after {job.completed} of {job.total} points")
    if job.state == "failed":
        cause = None if job.problem is None else from_problem(job.problem)
        raise JobFailedError(f"job {job.id} failed: {cause}", job.problem) from cause
    return (yield Call("GET", f"/v1/jobs/{job_id}/result", read))


class _Progress:
    """The latest state of a job, and a progress bar that appears once waiting takes longer than a second."""

    def __init__(self, job_id: str, progress: bool | None, timeout_seconds: float | None) -> None:
        self._job_id = job_id
        self._progress = progress
        self._timeout_seconds = timeout_seconds
        self._started = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None
        self._job: Job | None = None
        self._has_exited = False

    @property
    def remaining_seconds(self) -> float:
        """Seconds until the timeout; infinity without one."""
        if self._timeout_seconds is None:
            return float("inf")
        return max(0.0, self._started + self._timeout_seconds - time.monotonic())

    def listen(self) -> Listen:
        """Return the instruction to follow the events after the latest state."""
        after = "" if self._job is None else str(self._job.completed)
        path = f"/v1/jobs/{self._job_id}/events"
        return Listen(path, after, SILENCE_SECONDS, self.remaining_seconds, self._update_from_event)

    def _update_from_event(self, data: str) -> bool:
        """Show the state in an event; an event that is no state ends the stream, and the state is requested instead."""
        try:
            return self.update(Job.model_validate_json(data))
        except ValidationError:
            return True

    def update(self, job: Job) -> bool:
        """Show a state, and return whether waiting is over."""
        if self._has_exited:  # an abandoned thread may still receive events
            return True
        self._job = job
        waited = time.monotonic() - self._started
        has_ended = job.state in FINAL
        is_slow = self._progress is None and waited > BAR_SECONDS and not has_ended
        if self._bar is None and (self._progress or is_slow):
            self._bar = _progress_bar(job)
        if self._bar is not None:
            self._bar.update(job.completed - self._bar.n)
        return has_ended or self.remaining_seconds == 0

    def ended_job(self) -> Job:
        """Return the final state.

        Raises:
            TimeoutError: the latest state is not final.
        """
        job = self._job
        if job is None or job.state not in FINAL:
            raise TimeoutError(
                f"job {self._job_id} has not ended after {self._timeout_seconds} s and continues: "
                f"{'no state received' if job is None else f'{job.state}, {job.completed} of {job.total} points'}"
            )
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._has_exited = True
        if self._bar is not None:
            self._bar.close()


def _progress_bar(job: Job) -> "tqdm[NoReturn]":
    from tqdm.auto import tqdm  # noqa: PLC0415 (it imports the libraries of notebooks, which takes time)

    return tqdm(total=job.total, desc=job.kind, unit="point")
