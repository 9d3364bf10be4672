"""Limits of the bytes of jobs, by actual sizes, and cancellation in all states."""

import io
import json

import anyio
import numpy as np
import orjson
import pytest
from support.job_resources import InlineEngine, job_resources, stored_sweep
from support.jobs import LIMITS, sweep

from lindyn.wire import npz
from lindyn.wire.document import read
from lindyn.wire.sweep import SweepRequest
from lindyn_service.errors import NoRoomError, TooLargeError
from lindyn_service.jobs import job_limits as limits_module
from lindyn_service.jobs.errors import JobsFullError
from lindyn_service.jobs.execution import JobExecution
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.plan import SweepPlan
from lindyn_service.jobs.points import is_refusal, sweep_points
from lindyn_service.jobs.results import Results
from lindyn_service.jobs.scheduler import JobScheduler
from lindyn_service.jobs.worker_functions import assemble, write_records
from lindyn_service.spool.store import Spool
from lindyn_service.translate.point_records import pack_record
from lindyn_service.translate.sweep import indices
from lindyn_service.translate.sweep_table import sweep_table
from lindyn_service.translate.table import read_table

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.usefixtures("emptied")]

RAGGED = {
    "base": {
        "network": {"kind": "random", "dims": [2, 2, 2], "seed": 1},
        "task": {"kind": "regression", "samples": 4, "seed": 1},
        "times": {"stop": 1.0, "num": 1},
    },
    "axes": [
        {"path": "network.dims.0", "values": [2, 200]},
        {"path": "network.dims.2", "values": [2, 200]},
        {"path": "times.num", "values": [1, 130]},
    ],
    "collect": ["output"],
}


async def until(condition) -> None:
    """Wait for the effect of another task."""
    with anyio.fail_after(300):
        while not await condition():  # noqa: ASYNC110 (what another process brings about)
            await anyio.sleep(0.01)


def records_of_shapes(*shapes: tuple[int, ...]) -> list[bytes]:
    return [pack_record({"values": {"output": np.zeros(shape)}, "warnings": []}) for shape in shapes]


def of_seeds(n: int) -> SweepRequest:
    base = {
        "network": {"kind": "random", "scheme": "he", "dims": [3, 3, 3]},
        "task": np.eye(3).tolist(),
        "times": [1.0],
    }
    return read(SweepRequest, {"base": base, "axes": [{"path": "network.seed", "values": list(range(n))}]})


def test_a_table_is_refused_by_its_padded_size_before_allocation():
    """A row and a column of 3e5 numbers are 5 MB, and the rectangle around both is 1.4 TB."""
    records = records_of_shapes((1, 300_000, 1), (1, 1, 300_000))
    with pytest.raises(TooLargeError, match=str(8 * 2 * 300_000**2)):
        sweep_table("job", of_seeds(2), records, 2**26)
    small = records_of_shapes((1, 30, 1), (1, 1, 30))
    exact = len(sweep_table("job", of_seeds(2), small, 2**20).pack())
    assert len(sweep_table("job", of_seeds(2), small, exact).pack()) == exact
    with pytest.raises(TooLargeError, match=f"the limit is {exact - 1} "):
        sweep_table("job", of_seeds(2), small, exact - 1).pack()


def test_long_metadata_is_compressed_and_read_unchanged():
    task = np.random.default_rng(1).normal(size=(200, 100))
    request = of_seeds(1).model_copy(update={"base": {**of_seeds(1).base, "task": task.tolist()}})
    text = orjson.dumps(request.model_dump())
    archive = sweep_table("job", request, [pack_record({"values": {"final_loss": 1.0}, "warnings": []})], 2**26).pack()
    assert len(archive) < len(text)
    with np.load(io.BytesIO(archive), allow_pickle=False) as read_by_numpy:
        metadata = json.loads(str(read_by_numpy["metadata"]))
        assert metadata["request"]["base"]["task"] == task.tolist()
        assert read_by_numpy["data.final_loss"] == [1.0]
    assert read_table(archive)[1]["request"] == metadata["request"]
    assert npz.unpack(archive, largest_bytes=2**26)[0] == metadata


def test_a_point_larger_than_estimated_has_a_problem(monkeypatch):
    monkeypatch.setattr(limits_module, "NUMBER_BYTES", 1)
    request = read(SweepRequest, sweep(lams=(0.5,), seeds=2, collect=("loss",), num=50))
    limits = SweepLimits(**{**vars(LIMITS), "point_bytes": 400})
    whole, bounded = (sweep_points(request, list(indices(request)), each, 1e9) for each in (LIMITS, limits))
    longest = max(map(len, whole))
    fits = SweepLimits(**{**vars(LIMITS), "point_bytes": longest})
    assert sweep_points(request, list(indices(request)), fits, 1e9) == whole
    assert not any(map(is_refusal, whole))
    assert [is_refusal(record) for record in bounded] == [len(record) > 400 for record in whole]


async def test_the_sum_of_the_bytes_of_points_is_limited(server):
    async with job_resources(server.url, max_record_bytes=1000) as resources:
        job, request = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=200))
        with pytest.raises(TooLargeError, match="more than 1000 bytes together"):
            await JobExecution(job, request, LIMITS, resources).run()


async def test_a_full_server_fails_jobs_and_accepts_cancellation(server):
    """Redis without free memory takes no result, but records the end of jobs."""
    async with job_resources(server.url) as resources:
        job, _ = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=2))
        other, _ = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=2))
        server.client.config_set("maxmemory", 1)
        with pytest.raises(JobsFullError):
            await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=2))
        await resources.store.cancel(other.id)
        assert (await resources.store.get(other.id)).state == "cancelled"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(JobScheduler(resources, LIMITS).run)

            async def ended() -> bool:
                return (await resources.store.get(job.id)).state == "failed"

            await until(ended)
            tasks.cancel_scope.cancel()
        assert (await resources.store.get(job.id)).problem.code == "no-room"


class Stuck(Results):
    """Results that are never stored, since the store does not answer."""

    async def put(self, job_id: str, archive: bytes | None) -> int:
        await anyio.sleep_forever()
        raise AssertionError(job_id, archive)


class StuckEngine(InlineEngine):
    """An engine that never finishes a table."""

    async def run(self, function, *args, report_seconds=None):
        if args[1:2] == (assemble,):
            await anyio.sleep_forever()
        return function(*args)


@pytest.mark.parametrize("phase", ["assembling", "storing"])
async def test_a_job_with_all_points_can_be_cancelled(server, phase):
    async with job_resources(server.url, StuckEngine() if phase == "assembling" else None) as resources:
        if phase == "storing":
            object.__setattr__(resources, "results", Stuck(resources.store, None, None, 0))
        job, _ = await stored_sweep(resources.store, sweep(lams=(0.5,), seeds=2))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(JobScheduler(resources, LIMITS).run)

            async def computed() -> bool:
                return (await resources.store.get(job.id)).completed == 2

            await until(computed)
            await resources.store.cancel(job.id)

            async def ended() -> bool:
                return (await resources.store.get(job.id)).state == "cancelled"

            await until(ended)
            tasks.cancel_scope.cancel()


async def test_a_running_job_without_a_lease_is_cancelled_at_once(server, stores):
    store = stores()
    job, _ = await stored_sweep(store, sweep())
    await store.start(job.id)
    await store.cancel(job.id)
    assert (await store.get(job.id)).state == "cancelled"


async def test_requests_are_deleted_when_jobs_end(server, stores):
    store = stores()
    for state in ("done", "failed", "cancelled"):
        job, request = await stored_sweep(store, sweep())
        assert await store.request(job.id) == request
        await (store.cancel(job.id) if state == "cancelled" else store.finish(job.id, state))
        assert await store.request(job.id) is None


async def test_the_oldest_results_are_evicted_first(server, stores):
    """Three results fit; a fourth replaces the first, and a result that is too large replaces none."""
    store = stores(max_bytes=50_000)
    jobs = []
    for _ in range(4):
        jobs.append(await store.create("sweep", b"{}", 1, "ada"))
        await store.put_result(jobs[-1].id, bytes(14_000))
        await store.finish(jobs[-1].id, "done", kept_bytes=14_000)
    with pytest.raises(JobsFullError, match="61024 bytes"):
        await store.create("sweep", bytes(60_000), 1, "ada")
    assert [await store.get(job.id) is not None for job in jobs] == [False, True, True, True]
    assert [job.id for job in await store.latest("ada", 9)] == [job.id for job in reversed(jobs[1:])]
    waiting = [await store.create("sweep", bytes(15_000), 1, None) for _ in range(3)]
    with pytest.raises(JobsFullError):
        await store.create("sweep", bytes(15_000), 1, None)
    assert {job.id for job in await store.active()} == {job.id for job in waiting}
    with pytest.raises(JobsFullError):
        await store.put_result(waiting[0].id, bytes(40_000))


async def test_cancelled_jobs_leave_no_requests_behind(server, stores):
    """Nineteen of a megabyte within a limit of four."""
    store = stores(max_bytes=4 * 2**20)
    for _ in range(19):
        job = await store.create("sweep", bytes(10**6), 1, None)
        await store.cancel(job.id)
    assert sum(server.client.memory_usage(key) or 0 for key in server.client.keys("*")) < 2**20


async def test_jobs_take_at_most_half_of_a_small_server(server, stores):
    store = stores()
    server.client.config_set("maxmemory", 16 * 2**20)
    for _ in range(3):
        await store.create("sweep", bytes(2**21), 1, None)
    with pytest.raises(JobsFullError, match=f"at most {8 * 2**20} bytes"):
        await store.create("sweep", bytes(2**21), 1, None)


def constant(value: float, times: int) -> list[bytes]:
    """A point with this loss at a number of times."""
    return [pack_record({"values": {"loss": [value] * times}, "warnings": []})]


async def test_large_results_are_files_within_a_separate_limit(server, stores, tmp_path):
    """Each has losses and times, so that two of them do not fit together."""
    store = stores()
    results = Results(store, Spool(tmp_path / "results", 25_000), None, 9_000)
    jobs = [await store.create("sweep", b"{}", 1, None) for _ in range(3)]
    written = tmp_path / "records"

    async def put(job: str, times: int) -> int:
        base = {"network": {"kind": "random", "scheme": "he", "dims": [3, 3, 3]}, "task": np.eye(3).tolist()}
        body = {"base": {**base, "times": {"stop": 1.0, "num": times}}, "collect": ["loss"]}
        sweep = read(SweepRequest, {**body, "axes": [{"path": "network.seed", "values": [1]}]})
        with written.open("wb") as file:
            write_records(file, constant(0.5, times))
        with results.destination_for(job) as destination:
            archive = assemble(SweepPlan(sweep, LIMITS), job, written, results.large_bytes, destination)
        return await results.put(job, archive)

    async def losses(job: str) -> np.ndarray:
        found = await results.find(job)
        return read_table(found if isinstance(found, bytes) else found.read())[0].values("loss")

    assert await put(jobs[0].id, 200) == len(await results.find(jobs[0].id)) < 9_000
    assert await put(jobs[1].id, 1_000) == 0
    assert np.array_equal(await losses(jobs[0].id), np.full((1, 200), 0.5))
    assert np.array_equal(await losses(jobs[1].id), np.full((1, 1_000), 0.5))
    assert not server.keys(f"{jobs[1].id}:result")
    assert await put(jobs[2].id, 1_100) == 0
    assert await results.find(jobs[1].id) is None
    with pytest.raises(NoRoomError, match="LINDYN_RESULTS_BYTES"):
        await put(jobs[0].id, 1_600)
    assert np.array_equal(await losses(jobs[2].id), np.full((1, 1_100), 0.5))
