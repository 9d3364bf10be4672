"""Connection to the Redis or Valkey that stores jobs: names of keys, and translation of its errors."""

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
# temporary errors: the disk is full, replicas are missing, or a long script is running
_TEMPORARY = re.compile("MISCONF|NOREPLICAS|BUSY")
_TEMPORARY_TYPES = (ReadOnlyError, MasterDownError, TryAgainError, ClusterDownError)
_BATCH = 1000  # members that one command removes
MAX_CONNECTIONS = 16

log = logging.getLogger(__name__)


def is_id(text: str) -> bool:
    """Return whether a text has the form of the id of a job."""
    return _ID.fullmatch(text) is not None


class JobConnection:
    """A connection to the server of the job store.

    Construct and use it in the same event loop; constructing it does no I/O.

    Args:
        url: address with scheme `redis://`, `rediss://` or `unix://`.
        namespace: prefix of every key.
        timeout_seconds: time limit of each step of a call.
    """

    def __init__(self, url: str, namespace: str, timeout_seconds: float) -> None:
        self.jobs_key = f"{namespace}:jobs"
        self.active_key = f"{self.jobs_key}:active"
        self.ended_key = f"{self.jobs_key}:ended"
        self._sizes = f"{self.jobs_key}:sizes"
        self._finished = f"{self.jobs_key}:finished"
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

    def owner_key(self, owner: str | None) -> str:
        """Return the key of the index of the jobs of an owner."""
        return f"{self.jobs_key}:of:{owner or ''}"

    def job_key(self, job_id: str) -> str:
        """Return the key of a job."""
        return f"{self.jobs_key}:{job_id}"

    async def run(self, script: str, job_id: str, *arguments: bytes | str | float, owner: str | None = None) -> int:
        """Run a Lua script on a job of an owner, and return its integer result."""
        async with self.translated_errors(self.job_key(job_id), self.owner_key(owner)):
            return int(await self.redis.eval(script, 2, self.jobs_key, self._leases, job_id, *arguments))

    async def valid_ids(self, key: str, names: Sequence[bytes]) -> list[str]:
        """Return the members of an index that are ids of jobs; all other members are removed from it."""
        texts = [name.decode("ascii", "replace") for name in names]
        invalid = [name for name, text in zip(names, texts, strict=True) if not is_id(text)]
        if invalid:
            log.warning(
                "removing members of %s that are not job ids: %.80r and %d more", key, invalid[0], len(invalid) - 1
            )
        remove = self.redis.srem if key == self.active_key else self.redis.zrem
        for start in range(0, len(invalid), _BATCH):
            await remove(key, *invalid[start : start + _BATCH])
        return [text for text in texts if is_id(text)]

    async def max_memory(self) -> int:
        """Return the memory limit of the server in bytes; 0 if it has none or does not report it."""
        async with self.translated_errors():
            limit = cast("dict[str, Any]", await self.redis.info("memory")).get("maxmemory", 0)
        return limit if isinstance(limit, int) and limit > 0 else 0

    @asynccontextmanager
    async def translated_errors(self, *keys: str) -> AsyncGenerator[None]:
        """Translate the errors of the server in the block to errors of the service.

        Args:
            keys: keys that the block uses besides the indexes; if one of them has a wrong type, it is deleted.

        Raises:
            JobsFullError: the server has no memory left.
            JobsRefusedError: the server refuses the command permanently.
            JobsUnavailableError: the server does not answer, refuses temporarily, or sends an invalid reply.
        """
        try:
            yield
        except ServiceError:
            raise
        except ResponseError as error:
            raise await self._refused(error, keys) from error
        except (RedisError, OSError) as error:
            raise JobsUnavailableError(
                f"the job store does not answer ({type(error).__name__}); jobs continue when it does, try again later"
            ) from error
        except Exception as error:  # replies of unexpected types raise any error in the code that reads them
            raise JobsUnavailableError(
                f"the job store sent an invalid reply ({type(error).__name__}); jobs continue when it recovers, try "
                "again later"
            ) from error

    async def aclose(self) -> None:
        """Disconnect."""
        await self.redis.aclose()

    async def _refused(self, error: ResponseError, keys: Sequence[str]) -> JobsUnavailableError:
        message = str(error)
        if isinstance(error, OutOfMemoryError) or "OOM command" in message:
            return JobsFullError("the job store has no memory left; try again later, or ask for less")
        if isinstance(error, _TEMPORARY_TYPES) or _TEMPORARY.match(message):
            return JobsUnavailableError(
                "the job store accepts no writes at the moment; jobs continue when it does, try again later"
            )
        if "WRONGTYPE" in message and await self._delete_damaged(keys):
            return JobsUnavailableError("a key of the job store had a wrong type and was deleted; try again")
        log.warning("the job store refuses a command: %.200s", message)
        return JobsRefusedError("the job store refuses the command; tell the operator of the service")

    async def _delete_damaged(self, keys: Sequence[str]) -> bool:
        """Delete those of these keys and of the indexes that have a wrong type; returns whether there were any."""
        expected = {self.jobs_key: b"zset", self.active_key: b"set", self.ended_key: b"hash", self._sizes: b"hash"}
        expected |= {self._finished: b"zset", self._leases: b"hash"}
        for key in keys:
            if key.startswith(f"{self.jobs_key}:of:"):
                expected[key] = b"zset"
            else:
                expected |= {key: b"hash", f"{key}:request": b"string", f"{key}:result": b"list"}
        deleted = False
        try:
            for key, expected_type in expected.items():
                actual_type = await self.redis.type(key)
                if actual_type not in (expected_type, b"none"):
                    log.warning("deleting %s, which is not a %s but %r", key, expected_type.decode(), actual_type)
                    await self.redis.delete(key)
                    deleted = True
        except (RedisError, OSError) as error:
            log.warning("cannot check the keys of the job store for damage: %s", error)
        return deleted
