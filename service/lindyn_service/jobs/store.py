"""The job store in Redis or Valkey: states of jobs, their requests until they end, and small results.

Keys have no expiry time, since a full server with a volatile eviction policy would evict keys that have one; `expire`
deletes old jobs. The total size is limited: jobs that have ended are evicted to make room.
"""

import logging
import secrets
import time
from collections.abc import Mapping
from typing import NamedTuple, cast

from lindyn.wire.job import FINAL, Job, State
from lindyn.wire.problem import Problem
from lindyn_service.jobs import lua_scripts
from lindyn_service.jobs.connection import JobConnection
from lindyn_service.jobs.errors import JobsUnavailableError
from lindyn_service.jobs.lua_scripts import JOB_BYTES
from lindyn_service.jobs.records import batched, count_of, job_of, no_room_error, raise_refusal

MAX_LISTED_ACTIVE_JOBS = 1000
_PIECE_BYTES = 2**20  # of a result: larger values would block the server for other clients
_INCOMPLETE_SECONDS = 600  # after which an incomplete result expires
_MEMORY_DIVISOR = 2  # jobs may take half of the memory of the server, and caches the other half

log = logging.getLogger(__name__)


class Active(NamedTuple):
    """A job that waits or runs."""

    id: str
    owner: str | None
    state: str


class JobStore:
    """The job store; construct and use it in the same event loop. Constructing it does no I/O.

    Args:
        url: address with scheme `redis://`, `rediss://` or `unix://`.
        namespace: prefix of every key.
        max_active: limit of jobs that wait or run.
        max_active_per_owner: limit of those of one owner; 0 for no limit.
        max_bytes: limit of all jobs together, with their requests and the results that are stored here; half of the
            memory of the server, if that is less.
        keep_seconds: time for which a job is kept after its end.
        timeout_seconds: time limit of each step of a call.

    Every method raises JobsUnavailableError if the server does not answer, and JobsRefusedError if the server refuses
    the command permanently.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        max_active: int,
        max_active_per_owner: int,
        max_bytes: int,
        keep_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._server = JobConnection(url, namespace, timeout_seconds)
        self._redis = self._server.redis
        self._max_active = max_active
        self._max_active_per_owner = max_active_per_owner
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._epoch = time.time() - time.monotonic()

    async def create(self, kind: str, request: bytes, total: int, owner: str | None) -> Job:
        """Create a job of an owner, in state `queued`.

        Raises:
            TooManyJobsError: too many jobs wait or run.
            RateLimitedError: too many jobs of this owner wait or run.
            JobsFullError: there is no room, and not enough ended jobs could be evicted.
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
        await self._write(job, request, self._max_active, self._max_active_per_owner)
        return job

    async def admit(self, owner: str | None) -> None:
        """Raise the error that `create` would raise because of other jobs, before the request is parsed."""
        limits = JOB_BYTES, await self._byte_limit(), self._max_active, self._max_active_per_owner
        admitted = await self._server.run(lua_scripts.ADMIT, "", owner or "", *limits, owner=owner)
        raise_refusal(admitted, owner, self._max_active, self._max_active_per_owner)

    async def restore(self, job: Job, request: bytes) -> None:
        """Write a job again if the server has lost it, as after a restart without persistence.

        Raises:
            JobsFullError: there is no room.
        """
        key = self._server.job_key(job.id)
        async with self._server.translated_errors(key):
            if await self._redis.exists(key):
                return  # before any write, which a server without free memory would refuse
        await self._write(job, request)

    async def _write(self, job: Job, request: bytes, max_active: int = 0, max_active_per_owner: int = 0) -> None:
        fields = {name: value for name, value in job.model_dump(exclude={"id", "problem"}).items() if value is not None}
        flat = [part for pair in fields.items() for part in pair]
        size, limit = JOB_BYTES + len(request), await self._byte_limit()
        arguments = (size, limit, job.created, job.owner or "", request, max_active, max_active_per_owner)
        written = await self._server.run(lua_scripts.CREATE, job.id, *arguments, *flat, owner=job.owner)
        raise_refusal(written, job.owner, max_active, max_active_per_owner)
        if not written:
            raise no_room_error(size, limit)

    async def get(self, job_id: str) -> Job | None:
        """Return a job, or None if the store has none with this id or its record is damaged."""
        async with self._server.translated_errors(self._server.job_key(job_id)):
            return job_of(job_id, await self._redis.hgetall(self._server.job_key(job_id)))

    async def latest(self, owner: str | None, n_jobs: int) -> list[Job]:
        """Return the latest jobs of an owner; they are read in batches, so that the event loop is not blocked."""
        key = self._server.owner_key(owner)
        async with self._server.translated_errors(key):
            ids = await self._server.valid_ids(key, await self._redis.zrevrange(key, 0, n_jobs - 1))
        latest: list[Job] = []
        for batch in batched(ids):
            async with self._server.translated_errors():
                pipe = self._redis.pipeline(transaction=False)
                for job_id in batch:
                    pipe.hgetall(self._server.job_key(job_id))
                replies = await pipe.execute(raise_on_error=False)
            jobs = [job_of(job_id, fields) for job_id, fields in zip(batch, replies, strict=True)]
            latest += [job for job in jobs if job is not None]
        return latest

    async def changed(self, known: Mapping[str, tuple[State, int]]) -> dict[str, Job | None]:
        """Return the jobs whose state or number of computed points differs from the known one; None for lost jobs."""
        changed: dict[str, Job | None] = {}
        for batch in batched(list(known)):
            async with self._server.translated_errors():
                pipe = self._redis.pipeline(transaction=False)
                for job_id in batch:
                    pipe.hmget(self._server.job_key(job_id), "state", "completed")
                replies = await pipe.execute(raise_on_error=False)
            for job_id, reply in zip(batch, replies, strict=True):
                state, completed = known[job_id]
                if reply != [state.encode(), b"%d" % completed]:
                    changed[job_id] = await self.get(job_id)
        return changed

    async def request(self, job_id: str) -> bytes | None:
        """Return the request of a job as it was stored, or None after the job has ended."""
        async with self._server.translated_errors(self._server.job_key(job_id)):
            return await self._redis.get(f"{self._server.job_key(job_id)}:request")

    async def active(self) -> list[Active]:
        """Return the jobs that wait or run, the oldest first; invalid entries are removed from the index."""
        active = self._server.active_key
        async with self._server.translated_errors():
            ids = await self._server.valid_ids(active, await self._redis.smembers(active))
            scores: list[float | None] = await self._redis.zmscore(self._server.jobs_key, ids) if ids else []
            created = {job_id: score or 0.0 for job_id, score in zip(ids, scores, strict=True)}
            oldest = sorted(ids, key=created.__getitem__)[:MAX_LISTED_ACTIVE_JOBS]
            pipe = self._redis.pipeline(transaction=False)
            for job_id in oldest:
                pipe.hmget(self._server.job_key(job_id), "state", "owner")
            replies = await pipe.execute(raise_on_error=False)
        jobs: list[Active] = []
        for job_id, reply in zip(oldest, replies, strict=True):
            job = await self._read_active(job_id, reply)
            if job is not None:
                jobs.append(job)
        return jobs

    async def counts(self) -> tuple[dict[State, int], dict[State, int]]:
        """Return the numbers of queued and running jobs, and of all jobs that have ever ended, by state."""
        states = [job.state for job in await self.active()]
        async with self._server.translated_errors():
            ended = await self._redis.hmget(self._server.ended_key, *FINAL)
            counted: dict[State, int] = {state: count_of(count) for state, count in zip(FINAL, ended, strict=True)}
        active: dict[State, int] = {"queued": states.count("queued"), "running": states.count("running")}
        return active, counted

    async def start(self, job_id: str) -> bool:
        """Set the state of a job to `running`; returns False if the job has ended."""
        return await self._server.run(lua_scripts.START, job_id, time.time()) == 1

    async def progress(self, job_id: str, completed: int) -> bool:
        """Record the number of computed points; returns False if the server has lost the job."""
        return await self._server.run(lua_scripts.PROGRESS, job_id, completed) == 1

    async def is_cancelled(self, job_id: str) -> bool:
        """Return whether the cancellation of a job was requested."""
        async with self._server.translated_errors(self._server.job_key(job_id)):
            return await self._redis.hget(self._server.job_key(job_id), "cancel") == b"1"

    async def finish(self, job_id: str, state: State, problem: Problem | None = None, kept_bytes: int = 0) -> None:
        """Record the end of a job that has not ended before, and delete its request.

        Args:
            job_id: id of the job.
            state: final state.
            problem: reason of a failure.
            kept_bytes: size of its result in this store.
        """
        text = "" if problem is None else problem.model_dump_json()
        await self._server.run(lua_scripts.FINISH, job_id, time.time(), state, text, JOB_BYTES + kept_bytes)

    async def cancel(self, job_id: str) -> None:
        """Request the cancellation of a job; a job that waits, or that no scheduler holds, ends at once."""
        await self._server.run(lua_scripts.CANCEL, job_id, time.time(), JOB_BYTES)

    async def put_result(self, job_id: str, archive: bytes) -> None:
        """Store the result of a job.

        Raises:
            JobsFullError: there is no room.
        """
        size, limit = JOB_BYTES + len(archive), await self._byte_limit()
        if not await self._server.run(lua_scripts.RESERVE, job_id, size, limit):
            raise no_room_error(size, limit)
        # The pieces are written under a unique name until they are complete: a server that was unresponsive may execute
        # commands that timed out and were retried, and two schedulers may both believe that they hold the job.
        token = secrets.token_hex(8)
        part = f"{self._server.job_key(job_id)}:result:{token}"
        pieces = [archive[start : start + _PIECE_BYTES] for start in range(0, len(archive), _PIECE_BYTES)]
        async with self._server.translated_errors(self._server.job_key(job_id)):
            for piece in pieces:
                pipe = self._redis.pipeline(transaction=True)
                pipe.rpush(part, piece)
                pipe.expire(part, _INCOMPLETE_SECONDS)
                await pipe.execute()
        if not await self._server.run(lua_scripts.PUBLISH, job_id, token, len(pieces)):
            raise JobsUnavailableError("the job store has lost pieces of a result; the result is written again")

    async def result(self, job_id: str) -> bytes | None:
        """Return the result of a job, or None if it is not in this store."""
        key = f"{self._server.job_key(job_id)}:result"
        async with self._server.translated_errors(self._server.job_key(job_id)):
            count = await self._redis.llen(key)
            pieces = [await self._redis.lindex(key, i) for i in range(count)]
            return b"".join(pieces) if pieces else None

    async def forget(self, job_id: str) -> None:
        """Delete all keys of a job that cannot be read."""
        log.warning("deleting the remains of job %s, which cannot be read", job_id)
        await self._server.run(lua_scripts.FORGET, job_id)

    async def expire(self) -> None:
        """Delete jobs that ended more than `keep_seconds` ago, even if the wall clock has been set forward since."""
        latest = min(time.time(), self._epoch + time.monotonic()) - self._keep_seconds
        await self._server.run(lua_scripts.RECOUNT, "")
        async with self._server.translated_errors():
            jobs = self._server.jobs_key
            ids = await self._server.valid_ids(jobs, await self._redis.zrangebyscore(jobs, "-inf", latest))
        for job_id in ids:
            job = await self.get(job_id)
            if job is None or (job.finished is not None and job.finished < latest):
                await self._server.run(lua_scripts.FORGET, job_id)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._server.aclose()

    async def _read_active(self, job_id: str, reply: object) -> Active | None:
        """Decode an active job; a job that has ended is removed from the index, a damaged one is deleted."""
        async with self._server.translated_errors(self._server.job_key(job_id)):
            if isinstance(reply, Exception):
                raise reply
            values = cast("list[bytes | None]", reply)
            state, owner = (None if value is None else value.decode(errors="replace") for value in values)
            if state in FINAL:
                await self._redis.srem(self._server.active_key, job_id)
                return None
        if state in ("queued", "running"):
            return Active(job_id, owner, state)
        await self.forget(job_id)
        return None

    async def _byte_limit(self) -> int:
        """Return the limit of the total size; it is computed at each call, since the server's limit may be changed."""
        memory = await self._server.max_memory()
        return min(self._max_bytes, memory // _MEMORY_DIVISOR) if memory else self._max_bytes
