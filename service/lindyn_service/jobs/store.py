"""Jobs in Redis or Valkey: their state, their requests, their results.

Nothing of it expires by itself, since a full server with a volatile policy evicts what does; `expire` deletes it.
"""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from lindyn.wire.job import FINAL, Job, State
from lindyn.wire.problem import Problem
from lindyn_service.errors import JobsUnavailableError, RateLimitedError, TooManyJobsError

RETRY_SECONDS = 10
_PIECE_BYTES = 2**20  # of a result: larger values would delay everybody's
_PART_SECONDS = 600  # for a result that is not whole yet

_FINISHED = "local s = redis.call('HGET', KEYS[1], 'state')\n" + "if not s or {} then return 0 end\n".format(
    " or ".join(f"s == '{state}'" for state in FINAL)
)
START = f"""{_FINISHED}
redis.call('HSET', KEYS[1], 'state', 'running')
redis.call('HSETNX', KEYS[1], 'started', ARGV[1])
return 1
"""
FINISH = f"""{_FINISHED}
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'finished', ARGV[1], 'problem', ARGV[3])
redis.call('SREM', KEYS[2], ARGV[4])
redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
return 1
"""
PROGRESS = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'completed', ARGV[1])
return 1
"""
PUBLISH = """
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return redis.error_reply('pieces were evicted') end
redis.call('RENAME', KEYS[1], KEYS[2])
return redis.call('PERSIST', KEYS[2])
"""
CANCEL = f"""{_FINISHED}
redis.call('HSET', KEYS[1], 'cancel', '1')
if s == 'queued' then
    redis.call('HSET', KEYS[1], 'state', 'cancelled', 'finished', ARGV[1])
    redis.call('SREM', KEYS[2], ARGV[2])
    redis.call('HINCRBY', KEYS[3], 'cancelled', 1)
end
return 1
"""


class JobStore:
    """Make and use it in one event loop; making it does no I/O.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        namespace: begins every key.
        most_active: jobs that may wait or run.
        most_of_one: those of one owner; 0 for no such limit.
        keep_seconds: how long a job is kept after its end.
        timeout_seconds: longest wait for each step of a call.

    Every method raises JobsUnavailableError when the server does not answer.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        most_active: int,
        most_of_one: int,
        keep_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._jobs = f"{namespace}:jobs"
        self._most_active = most_active
        self._most_of_one = most_of_one
        self._keep_seconds = keep_seconds
        self._epoch = time.time() - time.monotonic()
        self._redis: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            protocol=2,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    async def create(self, kind: str, request: bytes, total: int, owner: str | None) -> Job:
        """Queue a job of somebody.

        Raises:
            TooManyJobsError: too many wait or run already.
            RateLimitedError: too many of this owner do.
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
        await self.admit(owner)
        async with self._answers():
            await self._write(job, request)
        return job

    async def admit(self, owner: str | None) -> None:
        """Raise what `create` would raise."""
        async with self._answers():
            active = await self._redis.scard(self._active)
            if active >= self._most_active:
                raise TooManyJobsError(f"{active} jobs wait or run, at most {self._most_active} may; try again later")
            if owner is not None and self._most_of_one:
                own = await self._redis.zintercard(2, [self._of(owner), self._active])
                if own >= self._most_of_one:
                    raise RateLimitedError(
                        f"{own} jobs of {owner} wait or run, at most {self._most_of_one} may; wait, or cancel one",
                        RETRY_SECONDS,
                    )

    async def restore(self, job: Job, request: bytes) -> None:
        """Write a job again that the server has lost, as by a restart without persistence."""
        async with self._answers():
            if not await self._redis.exists(self._key(job.id)):
                await self._write(job, request)

    async def get(self, job_id: str) -> Job | None:
        """Find a job."""
        async with self._answers():
            return _job(job_id, await self._redis.hgetall(self._key(job_id)))

    async def latest(self, owner: str | None, most: int) -> list[Job]:
        """Find the latest jobs of somebody."""
        async with self._answers():
            ids = [name.decode() for name in await self._redis.zrevrange(self._of(owner), 0, most - 1)]
            pipe = self._redis.pipeline(transaction=False)
            for job_id in ids:
                pipe.hgetall(self._key(job_id))
            found = [_job(job_id, fields) for job_id, fields in zip(ids, await pipe.execute(), strict=True)]
        return [job for job in found if job is not None]

    async def request(self, job_id: str) -> bytes | None:
        """The request of a job as it was stored."""
        async with self._answers():
            return await self._redis.get(f"{self._key(job_id)}:request")

    async def active(self) -> list[str]:
        """Jobs that wait or run, the oldest first."""
        async with self._answers():
            ids: list[str] = [name.decode() for name in await self._redis.smembers(self._active)]
            scores: list[float | None] = await self._redis.zmscore(self._jobs, ids) if ids else []
        created = {job_id: score or 0.0 for job_id, score in zip(ids, scores, strict=True)}
        return sorted(ids, key=created.__getitem__)

    async def counts(self) -> tuple[dict[State, int], dict[State, int]]:
        """How many jobs wait and run, and how many ended, ever, in which state."""
        ids = await self.active()
        async with self._answers():
            pipe = self._redis.pipeline(transaction=False)
            pipe.hgetall(self._ended)
            for job_id in ids:
                pipe.hget(self._key(job_id), "state")
            ended, *states = await pipe.execute()
        active: dict[State, int] = {"queued": states.count(b"queued"), "running": states.count(b"running")}
        return active, {state: int(ended.get(state.encode(), 0)) for state in FINAL}

    async def start(self, job_id: str) -> None:
        """Note that a job runs."""
        await self._script(START, job_id, time.time())

    async def progress(self, job_id: str, completed: int) -> bool:
        """Note how far a job is; tells whether the server still knows it."""
        return await self._script(PROGRESS, job_id, completed) == 1

    async def is_cancelled(self, job_id: str) -> bool:
        """Tell whether somebody asked for the end of a job."""
        async with self._answers():
            return await self._redis.hget(self._key(job_id), "cancel") == b"1"

    async def finish(self, job_id: str, state: State, problem: Problem | None = None) -> None:
        """Note the end of a job, unless it has one."""
        text = "" if problem is None else problem.model_dump_json()
        await self._script(FINISH, job_id, time.time(), state, text, job_id)

    async def cancel(self, job_id: str) -> None:
        """Ask for the end of a job; one that waits ends at once."""
        await self._script(CANCEL, job_id, time.time(), job_id)

    async def put_result(self, job_id: str, archive: bytes) -> None:
        """Keep the result of a job."""
        key = f"{self._key(job_id)}:result"
        # Under a name of its own until it is whole: a frozen server does late what was given up and tried again, and
        # two runners may both believe that the job is theirs.
        part = f"{key}:{secrets.token_hex(8)}"
        pieces = [archive[start : start + _PIECE_BYTES] for start in range(0, len(archive), _PIECE_BYTES)]
        async with self._answers():
            for piece in pieces:
                pipe = self._redis.pipeline(transaction=True)
                pipe.rpush(part, piece)
                pipe.expire(part, _PART_SECONDS)
                await pipe.execute()
            await self._redis.eval(PUBLISH, 2, part, key, len(pieces))

    async def result(self, job_id: str) -> bytes | None:
        """The result of a job."""
        key = f"{self._key(job_id)}:result"
        async with self._answers():
            count = await self._redis.llen(key)
            pieces = [await self._redis.lindex(key, i) for i in range(count)]
        return b"".join(pieces) if pieces else None

    async def expire(self) -> None:
        """Delete jobs that ended long ago, by the wall clock and by one that nobody sets."""
        latest = min(time.time(), self._epoch + time.monotonic()) - self._keep_seconds
        async with self._answers():
            for name in await self._redis.zrangebyscore(self._jobs, "-inf", latest):
                job = _job(name.decode(), await self._redis.hgetall(self._key(name.decode())))
                if job is None or (job.finished is not None and job.finished < latest):
                    key = self._key(name.decode())
                    await self._redis.delete(key, f"{key}:request", f"{key}:result")
                    await self._redis.zrem(self._jobs, name)
                    await self._redis.zrem(self._of(None if job is None else job.owner), name)
                    await self._redis.srem(self._active, name)

    async def aclose(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    @property
    def _active(self) -> str:
        return f"{self._jobs}:active"

    @property
    def _ended(self) -> str:
        return f"{self._jobs}:ended"

    def _of(self, owner: str | None) -> str:
        return f"{self._jobs}:of:{owner or ''}"

    def _key(self, job_id: str) -> str:
        return f"{self._jobs}:{job_id}"

    async def _write(self, job: Job, request: bytes) -> None:
        fields = {name: value for name, value in job.model_dump(exclude={"id", "problem"}).items() if value is not None}
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(f"{self._key(job.id)}:request", request)
        pipe.hset(self._key(job.id), mapping=fields)
        pipe.zadd(self._jobs, {job.id: job.created})
        pipe.zadd(self._of(job.owner), {job.id: job.created})
        pipe.sadd(self._active, job.id)
        await pipe.execute()

    async def _script(self, script: str, job_id: str, *arguments: object) -> int:
        async with self._answers():
            return await self._redis.eval(script, 3, self._key(job_id), self._active, self._ended, *map(str, arguments))

    @asynccontextmanager
    async def _answers(self) -> AsyncGenerator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise JobsUnavailableError(
                f"the store of jobs does not answer ({type(error).__name__}); jobs go on when it does, try again"
            ) from error


def _job(job_id: str, fields: dict[bytes, bytes]) -> Job | None:
    """Read a job from its hash; what is damaged counts as absent."""
    if not fields:
        return None
    text = {name.decode(): value.decode() for name, value in fields.items()}
    problem = text.pop("problem", "")
    try:
        return Job.model_validate({**text, "id": job_id, "problem": json.loads(problem) if problem else None})
    except ValueError:
        return None
