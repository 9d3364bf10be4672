"""Limits of the number of jobs of an owner, and whose ended jobs are evicted."""

from contextlib import suppress

import anyio
import pytest

from lindyn.wire.problem import Problem
from lindyn_service.errors import RateLimitedError
from lindyn_service.jobs.errors import JobsFullError, TooManyJobsError
from lindyn_service.jobs.lua_scripts import JOB_BYTES

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.usefixtures("emptied")]


async def posted_until_refused(store, owner, size=2):
    """Number of jobs that an owner can post."""
    for count in range(1000):
        try:
            await store.create("sweep", bytes(size), 1, owner)
        except (RateLimitedError, JobsFullError):
            return count
    raise AssertionError


async def test_greedy_owners_leave_room_for_others(stores):
    """Five owners with twenty jobs each have filled a hundred places."""
    store = stores(max_active=100, max_active_per_owner=20)
    for owner in "abcde":
        assert 10 <= await posted_until_refused(store, owner) <= 20
    assert await posted_until_refused(store, "newcomer") >= 5
    with pytest.raises(RateLimitedError, match="LINDYN_MAX_JOBS"):
        await store.admit("newcomer")
    with pytest.raises(RateLimitedError, match="LINDYN_KEY_MAX_JOBS"):
        await store.admit("a")


async def test_callers_without_a_key_share_all_jobs(stores):
    store = stores(max_active=5)
    for _ in range(5):
        await store.create("sweep", b"{}", 1, None)
    for ask in (store.admit(None), store.create("sweep", b"{}", 1, "ada")):
        with pytest.raises(TooManyJobsError):
            await ask


async def test_concurrent_posts_do_not_exceed_the_limit(stores):
    """Redis counts them atomically."""
    store, taken = stores(max_active=100, max_active_per_owner=3), []

    async def post():
        with suppress(RateLimitedError):
            taken.append(await store.create("sweep", b"{}", 1, "ada"))

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(post)
    assert len(taken) == 3


async def test_large_requests_of_one_owner_leave_room_for_others(stores):
    store = stores(max_bytes=20 * (JOB_BYTES + 1000))
    assert await posted_until_refused(store, "ada", 1000) == 10
    with pytest.raises(RateLimitedError, match="LINDYN_STORE_BYTES"):
        await store.create("sweep", bytes(1000), 1, "ada")
    assert await posted_until_refused(store, "bob", 1000) == 5
    assert await posted_until_refused(store, "carl", 1000) >= 2


async def ended(store, owner, size):
    """A job of an owner that has ended with a result."""
    job = await store.create("sweep", b"{}", 1, owner)
    await store.put_result(job.id, bytes(size))
    await store.finish(job.id, "done", kept_bytes=size)
    return job.id


async def test_results_of_one_owner_do_not_evict_those_of_another(stores):
    """Four megabytes of one owner are older than all of the other, and stay."""
    store = stores(max_bytes=10 * 2**20)
    hers = [await ended(store, "ada", 2**20) for _ in range(4)]
    his = [await ended(store, "bob", 2**20) for _ in range(20)]
    assert all([await store.result(job_id) is not None for job_id in hers])
    kept = [job_id for job_id in his if await store.get(job_id) is not None]
    assert kept == his[-5:]


async def test_results_of_the_largest_owner_are_evicted_first(stores):
    store = stores(max_bytes=10 * 2**20)
    his = [await ended(store, "bob", 2**20) for _ in range(9)]
    hers = [await ended(store, "ada", 2**20) for _ in range(8)]
    kept = [[job_id for job_id in ids if await store.get(job_id) is not None] for ids in (his, hers)]
    assert sorted(map(len, kept)) == [4, 5]
    assert kept == [his[-len(kept[0]) :], hers[-len(kept[1]) :]]


async def test_changed_and_deleted_jobs_are_found(stores):
    store = stores(max_active=200)
    jobs = [await store.create("sweep", b"{}", 9, None) for _ in range(120)]
    known = {job.id: ("queued", 0) for job in jobs}
    assert await store.changed(known) == {}
    await store.start(jobs[3].id)
    await store.progress(jobs[100].id, 4)
    problem = Problem(type="/problems/x", code="x", title="X", status=422, detail="no")
    await store.finish(jobs[119].id, "failed", problem)
    gone = "0" * 32
    found = await store.changed(known | {gone: ("queued", 0)})
    assert set(found) == {jobs[3].id, jobs[100].id, jobs[119].id, gone}
    assert found[gone] is None
    assert (found[jobs[3].id].state, found[jobs[100].id].completed) == ("running", 4)
    assert found[jobs[119].id].problem == problem
