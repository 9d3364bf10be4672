"""Handles of jobs."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from lindyn._public import public
from lindyn._transport import job_events
from lindyn._transport.job_events import Picture
from lindyn._transport.send import AsyncSender, Sender
from lindyn.results.decode import read_result
from lindyn.wire.job import Job

if TYPE_CHECKING:
    from matplotlib.figure import Figure

R_co = TypeVar("R_co", covariant=True)


@public
class JobHandle(Generic[R_co]):
    """A job on a service, whose result is a `SweepResult` or a `Fit`."""

    def __init__(self, sender: Sender, job: Job) -> None:
        self._sender = sender
        self._job = job

    @property
    def id(self) -> str:
        """The id of the job, for `Client.job`."""
        return self._job.id

    def status(self) -> Job:
        """Request the state of the job and its number of computed points."""
        self._job = self._sender.send(job_events.status(self.id))
        return self._job

    def cancel(self) -> None:
        """Cancel the job; a job that has ended keeps its state."""
        self._job = self._sender.send(job_events.cancel(self.id))

    def wait(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> Job:
        """Wait until the job has ended in any state.

        Args:
            progress: show a progress bar; by default only if waiting takes longer than a second.
            timeout_seconds: time after which waiting ends while the job continues. The state is requested at
                least once, which may take a second.

        Raises:
            TimeoutError: the job has not ended after the timeout.
        """
        self._job = self._sender.run(job_events.wait_for_end(self.id, progress, timeout_seconds))
        return self._job

    def result(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> R_co:
        """Wait until the job has ended, and return its result.

        Args:
            progress: show a progress bar; by default only if waiting takes longer than a second.
            timeout_seconds: time after which waiting ends, as in `wait`.

        Raises:
            JobFailedError: the job failed; the cause of the error is the service's problem.
            JobCancelledError: the job was cancelled.
            TimeoutError: the job has not ended after the timeout.
        """
        result = self._sender.run(job_events.wait_for_result(self.id, progress, timeout_seconds, read_result))
        return cast("R_co", result)

    def figure(self, form: Picture = "svg") -> bytes:
        """Return the picture of an experiment that is done, as the contents of a file: `svg`, `png` or `pdf`."""
        return self._sender.send(job_events.figure(self.id, form))

    def draw(self) -> "Figure":
        """Draw the figure of an experiment that is done with matplotlib; curves of your own fit into its axes.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.figure import read_figure  # noqa: PLC0415 (imports matplotlib)

        return self._sender.send(job_events.drawing(self.id, read_figure))

    def __repr__(self) -> str:
        return job_events.handle_repr("JobHandle", self._job)


@public
class AsyncJobHandle(Generic[R_co]):
    """A job on a service; awaiting the handle awaits the result of the job."""

    def __init__(self, sender: AsyncSender, job: Job) -> None:
        self._sender = sender
        self._job = job

    @property
    def id(self) -> str:
        """The id of the job, for `AsyncClient.job`."""
        return self._job.id

    async def status(self) -> Job:
        """Request the state of the job and its number of computed points."""
        self._job = await self._sender.send(job_events.status(self.id))
        return self._job

    async def cancel(self) -> None:
        """Cancel the job; a job that has ended keeps its state."""
        self._job = await self._sender.send(job_events.cancel(self.id))

    async def wait(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> Job:
        """Wait until the job has ended in any state. Arguments as for `JobHandle.wait`."""
        self._job = await self._sender.run(job_events.wait_for_end(self.id, progress, timeout_seconds))
        return self._job

    async def result(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> R_co:
        """Wait until the job has ended, and return its result. Arguments as for `JobHandle.result`."""
        steps = job_events.wait_for_result(self.id, progress, timeout_seconds, read_result)
        return cast("R_co", await self._sender.run(steps))

    async def figure(self, form: Picture = "svg") -> bytes:
        """Return the picture of an experiment that is done, as the contents of a file: `svg`, `png` or `pdf`."""
        return await self._sender.send(job_events.figure(self.id, form))

    async def draw(self) -> "Figure":
        """Draw the figure of an experiment that is done with matplotlib; curves of your own fit into its axes.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.figure import read_figure  # noqa: PLC0415 (imports matplotlib)

        return await self._sender.send(job_events.drawing(self.id, read_figure))

    def __await__(self) -> Generator[object, None, R_co]:
        return self.result().__await__()

    def __repr__(self) -> str:
        return job_events.handle_repr("AsyncJobHandle", self._job)
