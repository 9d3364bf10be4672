"""Records of the job store: decoding that treats damaged records as absent, and errors for refusals."""

import json
from collections.abc import Sequence
from typing import TypeVar, cast

from lindyn.wire.job import Job
from lindyn_service.errors import RateLimitedError
from lindyn_service.jobs import lua_scripts
from lindyn_service.jobs.connection import is_id
from lindyn_service.jobs.errors import JobsFullError, TooManyJobsError

BATCH_JOBS = 50  # decoding them takes some milliseconds
RETRY_SECONDS = 10
_MAX_DIGITS = 15

T = TypeVar("T")


def batched(items: Sequence[T]) -> list[Sequence[T]]:
    """Split jobs into batches, between which the event loop can serve other requests."""
    return [items[start : start + BATCH_JOBS] for start in range(0, len(items), BATCH_JOBS)]


def no_room_error(size: int, max_bytes: int) -> JobsFullError:
    """Return the error for a job or result that the job store has no room for."""
    return JobsFullError(
        f"there is no room for another {size} bytes: jobs with their requests take at most {max_bytes} bytes together "
        "(LINDYN_STORE_BYTES, or half of the memory of Redis); try again when some jobs have ended, or ask for less"
    )


def count_of(value: bytes | None) -> int:
    """Decode a counter; an invalid value counts as 0."""
    return int(value) if value is not None and value.isdigit() and len(value) <= _MAX_DIGITS else 0


def job_of(job_id: str, fields: object) -> Job | None:
    """Decode a job from the fields of its hash, or return None for a damaged one."""
    if not isinstance(fields, dict) or not fields or not is_id(job_id):
        return None
    try:
        items = cast("dict[bytes, bytes]", fields).items()
        text = {name.decode(): value.decode() for name, value in items}
        problem = text.pop("problem", "")
        return Job.model_validate({**text, "id": job_id, "problem": json.loads(problem) if problem else None})
    except (ValueError, AttributeError, RecursionError):
        return None


def raise_refusal(code: int, owner: str | None, max_active: int, max_active_per_owner: int) -> None:
    """Raise the error that corresponds to the return value of a script, if that is a refusal."""
    match code:
        case lua_scripts.TOO_MANY:
            raise TooManyJobsError(f"{max_active} jobs wait or run, which is the limit; try again later")
        case lua_scripts.TOO_MANY_OF_OWNER:
            reason = f"at most {max_active_per_owner} jobs of {owner} may wait or run (LINDYN_KEY_MAX_JOBS)"
        case lua_scripts.NO_SLOT_FOR_OWNER:
            reason = (
                f"as many jobs of {owner} wait or run as slots are left for other owners (of {max_active}, "
                "LINDYN_MAX_JOBS)"
            )
        case lua_scripts.NO_BYTES_FOR_OWNER:
            reason = (
                f"the requests of the jobs of {owner} that wait or run would take more bytes than are left for other "
                "owners (LINDYN_STORE_BYTES)"
            )
        case _:
            return
    raise RateLimitedError(f"{reason}; wait until one has ended, or cancel one", RETRY_SECONDS)
