"""Jobs in Redis or Valkey: their state, their requests, and results that are not large.

Nothing of it expires by itself, since a full server with a volatile policy evicts what does; `expire` deletes it. All
of it together is bounded: what ended first makes room. A request is kept until its job ends.
"""

import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from lindyn.wire.job import FINAL, Job, State
from lindyn.wire.problem import Problem
from lindyn_service.jobs import lua_scripts
from lindyn_service.jobs.connection import JobConnection
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.lua_scripts import JOB_BYTES
from lindyn_service.jobs.records import batched, count_of, full, job_of, raise_refusal

MOST_LOOKED_AT = 1000  # jobs that wait or run, of which nobody needs to see more at once
_PIECE_BYTES = 2**20  # of a result: larger values would delay everybody's
_PART_SECONDS = 600  # for a result that is not whole yet
_SHARE = 2  # of a server's memory, one part in so many may be that of jobs; the others are those of caches

log = logging.getLogger(__name__)


class Active(NamedTuple):
    """A job that waits or runs."""

    id: str
    owner: str | None
    state: str


class JobStore:
    """Make and use it in one event loop; making it does no I/O.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        namespace: begins every key.
        most_active: jobs that may wait or run.
        most_of_one: those of one owner; 0 for no such limit.
        most_bytes: of all jobs together, with their requests and the results that are kept here. Half of the server's
            memory, if that is less.
        keep_seconds: how long a job is kept after its end.
        timeout_seconds: longest wait for each step of a call.

    Every method raises JobsUnavailableError when the server does not answer, JobsRefusedError when it answers that it
    will not do what it is asked for.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        most_active: int,
        most_of_one: int,
        most_bytes: int,
        keep_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._server = JobConnection(url, namespace, timeout_seconds)
        self._redis = self._server.redis
        self._most_active = most_active
        self._most_of_one = most_of_one
        self._most_bytes = most_bytes
        self._keep_seconds = keep_seconds
        self._epoch = time.time() - time.monotonic()

    async def create(self, kind: str, request: bytes, total: int, owner: str | None) -> Job:
        """Queue a job of somebody.

        Raises:
            TooManyJobsError: too many wait or run already.
            RateLimitedError: too many of this owner do.
            JobsFullError: there is no room, and no job has ended that could make some.
        """
        job = Job(
            id=secrets.token_hex(16),
            kind=kind,
            state="queued",
            completed=0,
            total=total,
            created=time.time(),
            owner=owner,
        )
        await self._write(job, request, self._most_active, self._most_of_one)
        return job

    async def admit(self, owner: str | None) -> None:
        """Raise what `create` would raise because of other jobs."""
        limits = JOB_BYTES, await self._most(), self._most_active, self._most_of_one
        admitted = await self._server.run(lua_scripts.ADMIT, "", owner or "", *limits, owner=owner)
        raise_refusal(admitted, owner, self._most_active, self._most_of_one)

    async def restore(self, job: Job, request: bytes) -> None:
        """Write a job that the server does not have, as after a restart without persistence; leave one that it has.

        Raises:
            JobsFullError: there is no room.
        """
        key = self._server.job(job.id)
        async with self._server.answers(key):
            if await self._redis.exists(key):
                return  # also where there is no memory to write anything
        await self._write(job, request)

    async def _write(self, job: Job, request: bytes, most_active: int = 0, most_of_one: int = 0) -> None:
        fields = {name: value for name, value in job.model_dump(exclude={"id", "problem"}).items() if value is not None}
        flat = [part for pair in fields.items() for part in pair]
        size, most = JOB_BYTES + len(request), await self._most()
        about = (size, most, job.created, job.owner or "", request, most_active, most_of_one)
        written = await self._server.run(lua_scripts.CREATE, job.id, *about, *flat, owner=job.owner)
        raise_refusal(written, job.owner, most_active, most_of_one)
        if not written:
            raise full(size, most)

    async def get(self, job_id: str) -> Job | None:
        """Find a job."""
        async with self._server.answers(self._server.job(job_id)):
            return job_of(job_id, await self._redis.hgetall(self._server.job(job_id)))

    async def latest(self, owner: str | None, most: int) -> list[Job]:
        """Find the latest jobs of somebody, some at a time: reading all at once would hold up everybody."""
        key = self._server.of(owner)
        async with self._server.answers(key):
            ids = await self._server.ids(key, await self._redis.zrevrange(key, 0, most - 1))
        found: list[Job] = []
        for some in batched(ids):
            async with self._server.answers():
                pipe = self._redis.pipeline(transaction=False)
                for job_id in some:
                    pipe.hgetall(self._server.job(job_id))
                replies = await pipe.execute(raise_on_error=False)
            jobs = [job_of(job_id, fields) for job_id, fields in zip(some, replies, strict=True)]
            found += [job for job in jobs if job is not None]
        return found

    async def changed(self, known: Mapping[str, tuple[State, int]]) -> dict[str, Job | None]:
        """Find the jobs whose state, or number of points, is another than is known; None where they are gone."""
        found: dict[str, Job | None] = {}
        for some in batched(list(known)):
            async with self._server.answers():
                pipe = self._redis.pipeline(transaction=False)
                for job_id in some:
                    pipe.hmget(self._server.job(job_id), "state", "completed")
                replies = await pipe.execute(raise_on_error=False)
            for job_id, reply in zip(some, replies, strict=True):
                state, completed = known[job_id]
                if reply != [state.encode(), b"%d" % completed]:
                    found[job_id] = await self.get(job_id)
        return found

    async def request(self, job_id: str) -> bytes | None:
        """The request of a job as it was stored; None once the job has ended."""
        async with self._server.answers(self._server.job(job_id)):
            return await self._redis.get(f"{self._server.job(job_id)}:request")

    async def active(self) -> list[Active]:
        """Jobs that wait or run, the oldest first; what is in the list and is no job is taken out."""
        active = self._server.active
        async with self._server.answers():
            ids = await self._server.ids(active, await self._redis.smembers(active))
            scores: list[float | None] = await self._redis.zmscore(self._server.jobs, ids) if ids else []
            created = {job_id: score or 0.0 for job_id, score in zip(ids, scores, strict=True)}
            oldest = sorted(ids, key=created.__getitem__)[:MOST_LOOKED_AT]
            pipe = self._redis.pipeline(transaction=False)
            for job_id in oldest:
                pipe.hmget(self._server.job(job_id), "state", "owner")
            replies = await pipe.execute(raise_on_error=False)
        found: list[Active] = []
        for job_id, reply in zip(oldest, replies, strict=True):
            job = await self._read_active(job_id, reply)
            if job is not None:
                found.append(job)
        return found

    async def counts(self) -> tuple[dict[State, int], dict[State, int]]:
        """How many jobs wait and run, and how many ended, ever, in which state."""
        states = [job.state for job in await self.active()]
        async with self._server.answers():
            ended = await self._redis.hmget(self._server.ended, *FINAL)
            counted: dict[State, int] = {state: count_of(each) for state, each in zip(FINAL, ended, strict=True)}
        active: dict[State, int] = {"queued": states.count("queued"), "running": states.count("running")}
        return active, counted

    async def start(self, job_id: str) -> bool:
        """Note that a job runs; tells whether it may, which one that has ended may not."""
        return await self._server.run(lua_scripts.START, job_id, time.time()) == 1

    async def progress(self, job_id: str, completed: int) -> bool:
        """Note how far a job is; tells whether the server still knows it."""
        return await self._server.run(lua_scripts.PROGRESS, job_id, completed) == 1

    async def is_cancelled(self, job_id: str) -> bool:
        """Tell whether somebody asked for the end of a job."""
        async with self._server.answers(self._server.job(job_id)):
            return await self._redis.hget(self._server.job(job_id), "cancel") == b"1"

    async def finish(self, job_id: str, state: State, problem: Problem | None = None, kept_bytes: int = 0) -> None:
        """Note the end of a job, unless it has one; its request is dropped.

        Args:
            job_id: of the job.
            state: how it ended.
            problem: why it failed.
            kept_bytes: of its result, where that is kept here.
        """
        text = "" if problem is None else problem.model_dump_json()
        await self._server.run(lua_scripts.FINISH, job_id, time.time(), state, text, JOB_BYTES + kept_bytes)

    async def cancel(self, job_id: str) -> None:
        """Ask for the end of a job; one that waits, or that nobody holds, ends at once."""
        await self._server.run(lua_scripts.CANCEL, job_id, time.time(), JOB_BYTES)

    async def put_result(self, job_id: str, archive: bytes) -> None:
        """Keep the result of a job.

        Raises:
            JobsFullError: there is no room.
        """
        size, most = JOB_BYTES + len(archive), await self._most()
        if not await self._server.run(lua_scripts.RESERVE, job_id, size, most):
            raise full(size, most)
        # Under a name of its own until it is whole: a frozen server does late what was given up and tried again, and
        # two runners may both believe that the job is theirs.
        own = secrets.token_hex(8)
        part = f"{self._server.job(job_id)}:result:{own}"
        pieces = [archive[start : start + _PIECE_BYTES] for start in range(0, len(archive), _PIECE_BYTES)]
        async with self._server.answers(self._server.job(job_id)):
            for piece in pieces:
                pipe = self._redis.pipeline(transaction=True)
                pipe.rpush(part, piece)
                pipe.expire(part, _PART_SECONDS)
                await pipe.execute()
        if not await self._server.run(lua_scripts.PUBLISH, job_id, own, len(pieces)):
            raise JobsUnavailableError("the store of jobs has dropped pieces of a result; it is written again")

    async def result(self, job_id: str) -> bytes | None:
        """The result of a job, if it is kept here."""
        key = f"{self._server.job(job_id)}:result"
        async with self._server.answers(self._server.job(job_id)):
            count = await self._redis.llen(key)
            pieces = [await self._redis.lindex(key, i) for i in range(count)]
            return b"".join(pieces) if pieces else None

    async def forget(self, job_id: str) -> None:
        """Delete a job that is damaged beyond reading, or that is not there, with all that is left of it."""
        log.warning("deleting what is left of job %s, which cannot be read", job_id)
        await self._server.run(lua_scripts.FORGET, job_id)

    async def expire(self) -> None:
        """Delete jobs that ended long ago, by the wall clock and by one that nobody sets."""
        latest = min(time.time(), self._epoch + time.monotonic()) - self._keep_seconds
        await self._server.run(lua_scripts.RECOUNT, "")
        async with self._server.answers():
            jobs = self._server.jobs
            ids = await self._server.ids(jobs, await self._redis.zrangebyscore(jobs, "-inf", latest))
        for job_id in ids:
            job = await self.get(job_id)
            if job is None or (job.finished is not None and job.finished < latest):
                await self._server.run(lua_scripts.FORGET, job_id)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._server.aclose()

    async def _read_active(self, job_id: str, reply: Any) -> Active | None:  # noqa: ANN401 (whatever the server says)
        """A job by its state and owner; what does not wait or run, and what is damaged, leaves the list."""
        async with self._server.answers(self._server.job(job_id)):
            if isinstance(reply, Exception):
                raise reply
            state, owner = (None if value is None else value.decode(errors="replace") for value in reply)
            if state in FINAL:
                await self._redis.srem(self._server.active, job_id)
                return None
        if state in ("queued", "running"):
            return Active(job_id, owner, state)
        await self.forget(job_id)
        return None

    async def _most(self) -> int:
        """Asked each time: whoever runs the server may change it."""
        memory = await self._server.max_memory()
        return min(self._most_bytes, memory // _SHARE) if memory else self._most_bytes
