"""A job of a service, for the blocking client."""

from typing import Literal

from lindyn._transport.job_events import cancel, described, figure, finishing, status, waiting
from lindyn._transport.send import Sender
from lindyn.results.sweep import SweepResult
from lindyn.wire.job import Job


class JobHandle:
    """A job on a service."""

    def __init__(self, sender: Sender, job: Job) -> None:
        self._sender = sender
        self._job = job

    @property
    def id(self) -> str:
        """Name of the job, for `Client.job`."""
        return self._job.id

    def status(self) -> Job:
        """Ask how far it is."""
        self._job = self._sender.send(status(self.id))
        return self._job

    def cancel(self) -> None:
        """Stop it; a job that has ended stays as it is."""
        self._job = self._sender.send(cancel(self.id))

    def wait(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> Job:
        """Wait for the end, whatever it is.

        Args:
            progress: show a bar; by default only when it takes longer than a second.
            timeout_seconds: give up waiting then, however the service answers; the job goes on. It is asked for at
                least once, which may take a second.

        Raises:
            TimeoutError: it has not ended by then.
        """
        self._job = self._sender.run(waiting(self.id, progress, timeout_seconds))
        return self._job

    def result(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> SweepResult:
        """Wait for the end and return the result.

        Args:
            progress: show a bar; by default only when it takes longer than a second.
            timeout_seconds: give up waiting for the end then, as `wait` does; the job goes on.

        Raises:
            JobFailedError: it failed; its cause is the service's problem.
            JobCancelledError: somebody cancelled it.
            TimeoutError: it has not ended by then.
        """
        return self._sender.run(finishing(self.id, progress, timeout_seconds))

    def figure(self, form: Literal["svg", "png"] = "svg") -> bytes:
        """The picture of an experiment that is done."""
        return self._sender.send(figure(self.id, form))

    def __repr__(self) -> str:
        return described("JobHandle", self._job)
