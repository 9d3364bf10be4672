"""Jobs of a service: their progress, their end, their result."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx

from lindyn.errors import JobCancelledError, JobFailedError, from_problem
from lindyn.wire import npz
from lindyn.wire.array import FloatArray
from lindyn.wire.job import FINAL, Job

POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 1.0
BAR_SECONDS = 1.0


class Sender(Protocol):
    """Sends a request and raises what the service answers as an error."""

    def __call__(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401 (httpx)
        """Send a request."""
        ...


@dataclass(frozen=True, repr=False, eq=False)
class Table:
    """Labelled arrays: `table["final_loss"]` has one dimension for each name in `table.dims["final_loss"]`.

    Attributes:
        coordinates: values along the dimensions, by their names.
        dims: names of the dimensions of each array.
        data: arrays by name; NaN where a point could not be computed.
        problems: those points, with their place along each axis, a code and a detail.
        metadata: what else the service says: the request with drawn seeds, the kind of job, the version.
    """

    coordinates: Mapping[str, Any]
    dims: Mapping[str, tuple[str, ...]]
    data: Mapping[str, FloatArray]
    problems: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, Any]

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name."""
        return self.data[name]

    def __repr__(self) -> str:
        lines = [f"  {name}: {' x '.join(dims)} {self.data[name].shape}" for name, dims in self.dims.items()]
        failed = f", {len(self.problems)} points failed" if self.problems else ""
        return f"<Table of {self.metadata['kind']}{failed}\n" + "\n".join(lines) + ">"


class JobHandle:
    """A job on a service."""

    def __init__(self, send: Sender, job: Job) -> None:
        self._send = send
        self._job = job

    @property
    def id(self) -> str:
        """Name of the job, for `Client.job`."""
        return self._job.id

    def status(self) -> Job:
        """Ask how far it is."""
        self._job = Job.model_validate_json(self._send("GET", f"/v1/jobs/{self.id}").content)
        return self._job

    def cancel(self) -> None:
        """Stop it; a job that has ended stays as it is."""
        self._send("DELETE", f"/v1/jobs/{self.id}")

    def wait(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> Job:
        """Wait for the end, whatever it is.

        Args:
            progress: show a bar; by default only when it takes longer than a second.
            timeout_seconds: give up waiting then; the job goes on.

        Raises:
            TimeoutError: it has not ended by then.
        """
        started, pause = time.monotonic(), POLL_SECONDS
        bar: Any = None
        try:
            while (job := self.status()).state not in FINAL:
                waited = time.monotonic() - started
                if timeout_seconds is not None and waited > timeout_seconds:
                    raise TimeoutError(
                        f"job {self.id} is {job.state} after {waited:.0f} s, {job.completed}/{job.total}"
                    )
                if bar is None and (progress or (progress is None and waited > BAR_SECONDS)):
                    bar = _bar(job)
                if bar is not None:
                    bar.update(job.completed - bar.n)
                time.sleep(pause)
                pause = min(1.2 * pause, LONGEST_POLL_SECONDS)
            if bar is not None:
                bar.update(job.completed - bar.n)
            return job
        finally:
            if bar is not None:
                bar.close()

    def result(self, *, progress: bool | None = None, timeout_seconds: float | None = None) -> Table:
        """Wait for the end and return the result.

        Args:
            progress: as for `wait`.
            timeout_seconds: as for `wait`.

        Raises:
            JobFailedError: it failed; `problem` says why.
            JobCancelledError: somebody cancelled it.
            TimeoutError: it has not ended by then.
        """
        job = self.wait(progress=progress, timeout_seconds=timeout_seconds)
        if job.state == "cancelled":
            raise JobCancelledError(f"job {self.id} was cancelled after {job.completed} of {job.total} points")
        if job.state == "failed":
            cause = None if job.problem is None else from_problem(job.problem)
            raise JobFailedError(f"job {self.id} failed: {cause}") from cause
        return table(self._send("GET", f"/v1/jobs/{self.id}/result").content)

    def figure(self, form: Literal["svg", "png"] = "svg") -> bytes:
        """The picture of an experiment that is done."""
        return self._send("GET", f"/v1/jobs/{self.id}/figure.{form}").content


def table(archive: bytes) -> Table:
    """Read the result of a job."""
    metadata, arrays = npz.unpack(archive, largest_bytes=2**40, most_entries=2**16)
    coordinates: dict[str, Any] = metadata.pop("coordinates")
    dims: dict[str, list[str]] = metadata.pop("dims")
    problems: list[dict[str, Any]] = metadata.pop("problems")
    coordinates |= {_short(name): array for name, array in arrays.items() if name.startswith("coordinates.")}
    return Table(
        coordinates=coordinates,
        dims={name: tuple(labels) for name, labels in dims.items()},
        data={name: arrays[f"data.{name}"] for name in dims},
        problems=problems,
        metadata=metadata,
    )


def _short(name: str) -> str:
    return name.removeprefix("coordinates.")


def _bar(job: Job) -> Any:  # noqa: ANN401 (tqdm has no annotations)
    from tqdm.auto import tqdm  # noqa: PLC0415 (importing this package stays light)

    return tqdm(total=job.total, desc=job.kind, unit="point")
