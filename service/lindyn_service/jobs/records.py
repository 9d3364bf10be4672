"""Jobs as the store has them: read with care, since whatever is damaged there counts as absent."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from lindyn.wire.job import Job
from lindyn_service.errors import RateLimitedError
from lindyn_service.jobs import lua_scripts
from lindyn_service.jobs.connection import is_id
from lindyn_service.jobs.errors import JobsFullError, TooManyJobsError

AT_ONCE = 50  # jobs, which take some milliseconds to read
RETRY_SECONDS = 10
_MOST_DIGITS = 15

T = TypeVar("T")


def batched(items: Sequence[T]) -> list[Sequence[T]]:
    """Split what would hold up everybody if it were read at once."""
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]


def full(size: int, most: int) -> JobsFullError:
    """Make the refusal of what finds no room."""
    return JobsFullError(
        f"there is no room for {size} bytes more: jobs with their requests take at most {most} bytes together "
        "(LINDYN_STORE_BYTES, or half of the memory of Redis); try again when some have ended, or ask for less"
    )


def count_of(value: bytes | None) -> int:
    """A number that a counter may have reached; nonsense counts as none."""
    return int(value) if value is not None and value.isdigit() and len(value) <= _MOST_DIGITS else 0


def job_of(job_id: str, fields: Any) -> Job | None:  # noqa: ANN401 (whatever the server says)
    """Read a job from its hash; what is damaged counts as absent."""
    if not isinstance(fields, dict) or not fields or not is_id(job_id):
        return None
    try:
        items = cast("dict[bytes, bytes]", fields).items()
        text = {name.decode(): value.decode() for name, value in items}
        problem = text.pop("problem", "")
        return Job.model_validate({**text, "id": job_id, "problem": json.loads(problem) if problem else None})
    except (ValueError, AttributeError, RecursionError):
        return None


def raise_refusal(code: int, owner: str | None, most_active: int, most_of_one: int) -> None:
    """Raise what a script that may refuse a job has returned, if that is a refusal."""
    match code:
        case lua_scripts.TOO_MANY:
            raise TooManyJobsError(f"{most_active} jobs may wait or run, and do; try again later")
        case lua_scripts.TOO_MANY_OF_OWNER:
            why = f"at most {most_of_one} jobs of {owner} may wait or run (LINDYN_KEY_MAX_JOBS)"
        case lua_scripts.NO_PLACE_FOR_OWNER:
            why = (
                f"as many jobs of {owner} wait or run as there are places left for others (of {most_active}, "
                "LINDYN_MAX_JOBS)"
            )
        case lua_scripts.NO_BYTES_FOR_OWNER:
            why = (
                f"the requests of jobs of {owner} that wait or run would take more than what is left for others "
                "(LINDYN_STORE_BYTES)"
            )
        case _:
            return
    raise RateLimitedError(f"{why}; wait, or cancel one", RETRY_SECONDS)
