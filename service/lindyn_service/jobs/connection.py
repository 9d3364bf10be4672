"""The Redis or Valkey that keeps jobs: the names of the keys, and its failures as errors of the service."""

import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from lindyn_service.errors import ServiceError
from lindyn_service.jobs.errors import JobsFullError, JobsRefusedError, JobsUnavailableError

_ID = re.compile("[0-9a-f]{32}")
# what a server answers that will do it later: its disk is full, it misses replicas, or it runs a long script
_LATER = re.compile("MISCONF|NOREPLICAS|BUSY")
_LATER_TYPES = (ReadOnlyError, MasterDownError, TryAgainError, ClusterDownError)
_AT_ONCE = 1000
MAX_CONNECTIONS = 16

log = logging.getLogger(__name__)


def is_id(text: str) -> bool:
    """Whether this can be the id of a job."""
    return _ID.fullmatch(text) is not None


class JobConnection:
    """A connection to it; make and use it in one event loop. Making it does no I/O.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        namespace: begins every key.
        timeout_seconds: longest wait for each step of a call.
    """

    def __init__(self, url: str, namespace: str, timeout_seconds: float) -> None:
        self.jobs = f"{namespace}:jobs"
        self.active = f"{self.jobs}:active"
        self.ended = f"{self.jobs}:ended"
        self._sizes = f"{self.jobs}:sizes"
        self._finished = f"{self.jobs}:finished"
        self._leases = f"{namespace}:leases"
        pool: Any = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout_seconds,
            protocol=2,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )
        self.redis: Any = Redis.from_pool(pool)  # pyright: ignore[reportUnknownMemberType]

    def of(self, owner: str | None) -> str:
        """The key of the jobs of somebody."""
        return f"{self.jobs}:of:{owner or ''}"

    def job(self, job_id: str) -> str:
        """The key of a job."""
        return f"{self.jobs}:{job_id}"

    async def run(self, script: str, job_id: str, *arguments: bytes | str | float, owner: str | None = None) -> int:
        """Run a script about a job of somebody, and return its number."""
        async with self.answers(self.job(job_id), self.of(owner)):
            return int(await self.redis.eval(script, 2, self.jobs, self._leases, job_id, *arguments))

    async def ids(self, key: str, names: Sequence[bytes]) -> list[str]:
        """The ids among members of an index; what is none is taken out of it."""
        texts = [name.decode("ascii", "replace") for name in names]
        wrong = [name for name, text in zip(names, texts, strict=True) if not is_id(text)]
        if wrong:
            log.warning("taking out of %s what is no id of a job: %.80r and %d more", key, wrong[0], len(wrong) - 1)
        remove = self.redis.srem if key == self.active else self.redis.zrem
        for start in range(0, len(wrong), _AT_ONCE):
            await remove(key, *wrong[start : start + _AT_ONCE])
        return [text for text in texts if is_id(text)]

    async def max_memory(self) -> int:
        """The bytes that the server may take, as it says; 0: no bound, or it does not say."""
        async with self.answers():
            found = cast("dict[str, Any]", await self.redis.info("memory")).get("maxmemory", 0)
        return found if isinstance(found, int) and found > 0 else 0

    @asynccontextmanager
    async def answers(self, *keys: str) -> AsyncGenerator[None]:
        """Turn what may go wrong in the block into errors of the service.

        Args:
            keys: which the block uses beside the indexes; those of them that are of a wrong type are deleted.

        Raises:
            JobsFullError: the server has no memory left.
            JobsRefusedError: it answers that it will not do this.
            JobsUnavailableError: it does not answer, or not now, or nonsense.
        """
        try:
            yield
        except ServiceError:
            raise
        except ResponseError as error:
            raise await self._refused(error, keys) from error
        except (RedisError, OSError) as error:
            raise JobsUnavailableError(
                f"the store of jobs does not answer ({type(error).__name__}); jobs go on when it does, try again"
            ) from error
        except Exception as error:  # replies of other types than asked for break whatever reads them
            raise JobsUnavailableError(
                f"the store of jobs answers nonsense ({type(error).__name__}); jobs go on when it does not, try again"
            ) from error

    async def aclose(self) -> None:
        """Disconnect."""
        await self.redis.aclose()

    async def _refused(self, error: ResponseError, keys: Sequence[str]) -> JobsUnavailableError:
        told = str(error)
        if isinstance(error, OutOfMemoryError) or "OOM command" in told:
            return JobsFullError("the store of jobs has no memory left; try again later, or ask for less")
        if isinstance(error, _LATER_TYPES) or _LATER.match(told):
            return JobsUnavailableError("the store of jobs takes nothing at the moment; jobs go on when it does")
        if "WRONGTYPE" in told and await self._delete_damaged(keys):
            return JobsUnavailableError("a key of the store of jobs was of a wrong type and is deleted; try again")
        log.warning("the store of jobs refuses: %.200s", told)
        return JobsRefusedError("the store of jobs refuses this; tell whoever runs the service")

    async def _delete_damaged(self, keys: Sequence[str]) -> bool:
        """Delete those of these keys and of the indexes that are of another type than they should be."""
        expected = {self.jobs: b"zset", self.active: b"set", self.ended: b"hash", self._sizes: b"hash"}
        expected |= {self._finished: b"zset", self._leases: b"hash"}
        for key in keys:
            if key.startswith(f"{self.jobs}:of:"):
                expected[key] = b"zset"
            else:
                expected |= {key: b"hash", f"{key}:request": b"string", f"{key}:result": b"list"}
        deleted = False
        try:
            for key, wanted in expected.items():
                found = await self.redis.type(key)
                if found not in (wanted, b"none"):
                    log.warning("deleting %s, which is no %s but %r", key, wanted.decode(), found)
                    await self.redis.delete(key)
                    deleted = True
        except (RedisError, OSError) as error:
            log.warning("cannot look for damaged keys of jobs: %s", error)
        return deleted
