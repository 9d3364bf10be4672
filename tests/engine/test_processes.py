import math
import operator
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import engine_workload as workload
import psutil
import pytest
from anyio import to_process

from lindyn_service.engine import anyio_pool, worker_pool
from lindyn_service.engine.base import Engine
from lindyn_service.engine.processes import ProcessEngine
from lindyn_service.errors import BusyError, DeadlineError, ShuttingDownError, WorkerLostError

pytestmark = [pytest.mark.anyio, pytest.mark.live]

LONG = 300.0


async def until(condition: Any, seconds: float = LONG) -> None:
    """Wait for the effect of a background task or another process."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 -- nobody outside sets an Event
            await anyio.sleep(0.01)


def pids_in(directory: Path) -> set[int]:
    """Process ids that `workload` announced."""
    return {int(path.name) for path in directory.iterdir()}


async def announced(directory: Path) -> int:
    await until(lambda: pids_in(directory))
    return pids_in(directory).pop()


class Outcome:
    """Outcome of a call in a background task."""

    value: Any = None

    async def of(self, engine: Engine, function: Any, *args: Any) -> None:
        try:
            self.value = await engine.run(function, *args)
        except Exception as error:
            self.value = error


async def pids_of(engine: ProcessEngine, count: int) -> set[int]:
    """Process ids of this number of workers at the same time."""
    outcomes = [Outcome() for _ in range(count)]
    with TemporaryDirectory() as directory:
        async with anyio.create_task_group() as tasks:
            for outcome in outcomes:
                tasks.start_soon(outcome.of, engine, workload.meet, directory, count)
    return {outcome.value for outcome in outcomes}


async def one_of_two_is_killed(engine: ProcessEngine) -> tuple[int, int]:
    """Kill an idle worker, and return it and the other one."""
    both = await pids_of(engine, 2)
    killed = await engine.run(os.getpid)
    os.kill(killed, signal.SIGKILL)
    await until(lambda: engine.workers_alive == 1)
    (left,) = both - {killed}
    return killed, left


def let_time_pass(engine: ProcessEngine) -> None:
    """Let the deadlines of all calls expire now."""
    for scope in engine._calls:
        scope.deadline = anyio.current_time()


async def test_warm_workers_answer(tmp_path: Path) -> None:
    warm_up = partial(workload.announce, str(tmp_path))
    async with ProcessEngine(2, 0, LONG, warm_up=warm_up) as engine:
        assert pids_in(tmp_path)
        await until(lambda: engine.workers_alive == 2)
        warmed = pids_in(tmp_path)
        assert len(warmed) == 2
        assert await engine.run(os.getpid) in warmed
        assert await pids_of(engine, 2) == warmed
        assert await engine.run(operator.add, 2, 3) == 5
        threads = await engine.run(workload.blas_threads)
        assert len(threads) >= 2  # numpy and scipy bring one library each
        assert set(threads) == {1}
        size = 64 << 20
        assert await engine.run(workload.numbered_bytes, size) == workload.numbered_bytes(size)
        assert pids_in(tmp_path) == warmed


@pytest.mark.usefixtures("light_libraries")
async def test_errors_of_the_function_are_raised() -> None:
    async with ProcessEngine(1, 0, LONG) as engine:
        with pytest.raises(workload.OddError, match="no thanks") as caught:
            await engine.run(workload.refuse, "no thanks")
        assert caught.value.number == 7
        assert "in refuse" in caught.value.__notes__[0]
        with pytest.raises(ZeroDivisionError):
            await engine.run(operator.truediv, 1, 0)
        with pytest.raises(TimeoutError, match="mine"):  # and is not taken for our deadline
            await engine.run(workload.throw, TimeoutError("mine"))
        for ending in (SystemExit(3), KeyboardInterrupt()):
            with pytest.raises(RuntimeError, match=type(ending).__name__):
                await engine.run(workload.throw, ending)
        with pytest.raises((AttributeError, TypeError)):
            await engine.run(lambda: 1)
        assert engine.workers_alive == 1


@pytest.mark.usefixtures("light_libraries")
async def test_a_killed_worker_causes_a_retry_and_affects_no_other_call(tmp_path: Path) -> None:
    victim, bystander = Outcome(), Outcome()
    directory, over = tmp_path / "announced", tmp_path / "over"
    directory.mkdir()
    async with ProcessEngine(2, 0, LONG) as engine:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bystander.of, engine, workload.wait_for, str(over))
            tasks.start_soon(victim.of, engine, workload.spin_at_first, str(directory))
            killed = await announced(directory)
            os.kill(killed, signal.SIGKILL)
            await until(lambda: victim.value)
            over.touch()
        assert isinstance(victim.value, int)
        assert isinstance(bystander.value, int)
        assert killed not in (victim.value, bystander.value)
        await until(lambda: engine.workers_alive == 2)
        pids = await pids_of(engine, 2)
        assert len(pids) == 2
        assert bystander.value in pids


async def test_a_call_whose_worker_is_killed_twice_fails_and_both_are_replaced(tmp_path: Path) -> None:
    async with ProcessEngine(2, 0, LONG) as engine:
        with pytest.raises(WorkerLostError):
            await engine.run(workload.die, str(tmp_path))
        died = pids_in(tmp_path)
        assert len(died) == 2
        assert await engine.run(operator.add, 2, 3) == 5  # waits for the first replacement
        await until(lambda: engine.workers_alive == 2)
        assert set(await engine.run(workload.blas_threads)) == {1}
        assert not died & await pids_of(engine, 2)


async def test_a_persistent_queue_is_shortened(tmp_path: Path) -> None:
    """A burst may fill four places; later, waiting calls still wait, and new ones are refused."""
    async with ProcessEngine(1, 4, LONG, queue_seconds=LONG) as engine, anyio.create_task_group() as tasks:
        for _ in range(1 + 3):
            tasks.start_soon(engine.run, workload.spin, str(tmp_path))
        await until(lambda: engine.waiting == 3)
        engine._admission._empty_at -= 2 * LONG  # as if the queue had not been empty for so long
        with pytest.raises(BusyError, match="1 computations run and 3 wait; at most 1 run and 1 wait"):
            await engine.run(operator.add, 2, 3)
        tasks.cancel_scope.cancel()


async def test_time_on_a_worker_is_bounded_without_the_queue(tmp_path: Path) -> None:
    """The second call waits while the first one has its worker."""
    async with ProcessEngine(1, 1, math.inf, run_seconds=0.2) as engine, anyio.create_task_group() as tasks:

        async def never_ends() -> None:
            with pytest.raises(DeadlineError, match=r"after 0\.2 s on a worker"):
                await engine.run(workload.spin, str(tmp_path))

        for _ in range(2):
            tasks.start_soon(never_ends)


async def test_the_deadline_includes_the_queue_and_kills_the_worker(tmp_path: Path) -> None:
    runaway, queued = Outcome(), Outcome()
    async with ProcessEngine(1, 1, LONG) as engine:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runaway.of, engine, workload.spin_deaf, str(tmp_path))
            pid = await announced(tmp_path)
            tasks.start_soon(queued.of, engine, operator.add, 2, 3)
            await until(lambda: engine.waiting)
            assert engine.running == 1
            with pytest.raises(BusyError, match="1 computations run and 1 wait; at most 1 run and 1 wait"):
                await engine.run(operator.add, 2, 3)
            assert runaway.value is None  # so the refusal came at once
            let_time_pass(engine)
        assert isinstance(runaway.value, DeadlineError)
        assert isinstance(queued.value, DeadlineError)
        assert not psutil.pid_exists(pid)
        assert engine.running == engine.waiting == 0
        await until(lambda: engine.workers_alive == 1)
        assert await engine.run(operator.add, 2, 3) == 5


@pytest.mark.usefixtures("light_libraries")
async def test_the_time_of_a_worker_is_reported_for_all_outcomes(tmp_path: Path) -> None:
    """Success, error, cancellation, and twice if the worker died; a caller without a worker gets no report."""
    async with ProcessEngine(1, 1, LONG) as engine:
        told: list[float] = []
        began = anyio.current_time()
        await engine.run(operator.add, 2, 3, report_seconds=told.append)
        assert 0 < told[-1] <= anyio.current_time() - began
        with pytest.raises(workload.OddError):
            await engine.run(workload.refuse, "no", report_seconds=told.append)
        assert len(told) == 2
        held: list[float] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(engine.run, workload.spin, str(tmp_path), report_seconds=told.append))
            await announced(tmp_path)
            with anyio.move_on_after(0.05):
                await engine.run(operator.add, 2, 3, report_seconds=held.append)
            tasks.cancel_scope.cancel()
        assert held == []
        assert told[2] > 0
        with pytest.raises(WorkerLostError):
            await engine.run(workload.die, str(tmp_path), report_seconds=told.append)
        assert len(told) == 5


@pytest.mark.usefixtures("light_libraries")
async def test_the_reported_time_is_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine does not increase it; without support by the system, the elapsed time is reported."""
    async with ProcessEngine(1, 0, LONG) as engine:
        told: list[float] = []
        await engine.run(time.sleep, 1.0, report_seconds=told.append)
        await engine.run(workload.spin_for, 0.2, report_seconds=told.append)
        monkeypatch.setattr(sys, "platform", "darwin")
        await engine.run(time.sleep, 0.2, report_seconds=told.append)
    slept, spun, unknown = told
    assert slept < 0.5
    assert spun >= 0.2
    assert unknown >= 0.2


@pytest.mark.usefixtures("light_libraries")
@pytest.mark.parametrize("function", [workload.spin, workload.spin_stubborn])
async def test_cancelling_the_caller_stops_the_computation_but_not_the_worker(tmp_path: Path, function: Any) -> None:
    async with ProcessEngine(1, 1, LONG) as engine:
        for i in range(20):
            (tmp_path / str(i)).mkdir()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.run, function, str(tmp_path / str(i)))
                pid = await announced(tmp_path / str(i))
                tasks.cancel_scope.cancel()
            assert engine.running == engine.waiting == 0
            assert await engine.run(os.getpid) == pid
        assert engine.ended == 0


@pytest.mark.usefixtures("light_libraries")
async def test_a_computation_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    async with ProcessEngine(1, 1, LONG) as engine:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run, workload.spin_deaf, str(tmp_path))
            pid = await announced(tmp_path)
            tasks.cancel_scope.cancel()
        assert not psutil.pid_exists(pid)
        assert engine.workers_alive == 0
        with anyio.move_on_after(0.05):  # within the start of the replacement, which goes on
            await engine.run(os.getpid)
        await until(lambda: engine.workers_alive == 1)
        assert await engine.run(os.getpid) != pid


async def test_callers_that_leave_at_any_moment_lose_no_worker(tmp_path: Path) -> None:
    """Before a worker has begun, while it computes, and as it answers."""
    async with ProcessEngine(2, 4, LONG) as engine:
        before = await pids_of(engine, 2)
        for i in range(300):
            with anyio.move_on_after(i * 2e-5):
                assert await engine.run(operator.add, 2, i) == 2 + i
        assert await pids_of(engine, 2) == before
        assert engine.ended == 0


@pytest.mark.usefixtures("light_libraries")
async def test_an_idle_worker_that_dies_is_replaced_before_the_next_call() -> None:
    async with ProcessEngine(2, 0, LONG) as engine:
        killed, left = await one_of_two_is_killed(engine)
        assert await engine.run(os.getpid) == left
        await until(lambda: engine.workers_alive == 2)
        replaced = await pids_of(engine, 2)
        assert len(replaced) == 2
        assert killed not in replaced


@pytest.mark.usefixtures("light_libraries")
async def test_a_caller_without_an_idle_worker_waits_for_one() -> None:
    outcome = Outcome()
    async with ProcessEngine(1, 0, LONG) as engine, anyio.create_task_group() as tasks:
        pid = await engine.run(os.getpid)
        os.kill(pid, signal.SIGSTOP)
        tasks.start_soon(worker_pool._run_without_slot, os.getpid)  # has the worker, while its slot is free
        await until(lambda: not anyio_pool.idle())
        tasks.start_soon(outcome.of, engine, os.getpid)
        await until(lambda: not engine._pool._slots.available_tokens)
        assert (engine.running, engine.waiting) == (0, 1)
        os.kill(pid, signal.SIGCONT)
        await until(lambda: outcome.value)
    assert outcome.value == pid


@pytest.mark.usefixtures("light_libraries")
async def test_many_workers_start_a_few_at_a_time(tmp_path: Path) -> None:
    """Starting all at once on one or two processors would exceed the time limit of a start."""
    warm_up = partial(workload.announce_and_wait, str(tmp_path))
    size = 2 * worker_pool.MAX_STARTING + 1
    async with ProcessEngine(size, 0, LONG, warm_up=warm_up) as engine:
        assert await engine.run(operator.add, 2, 3) == 5
        await until(lambda: len(pids_in(tmp_path)) == 1 + worker_pool.MAX_STARTING)
        assert engine.workers_alive == 1
        (tmp_path / "0").touch()
        await until(lambda: engine.workers_alive == size)
        assert len(pids_in(tmp_path) - {0}) == size


@pytest.mark.usefixtures("light_libraries")
async def test_a_start_leaves_an_idle_worker_to_the_caller_who_has_its_slot() -> None:
    """Consecutive starts once took it, so that the caller waited for half a minute."""
    async with ProcessEngine(2, 0, LONG) as engine:
        _, left = await one_of_two_is_killed(engine)
        os.kill(left, signal.SIGSTOP)  # whoever takes it keeps it
        engine._pool._update_slots()
        engine._pool._slots.acquire_on_behalf_of_nowait(engine)
        engine._pool.replenish()
        await anyio.wait_all_tasks_blocked()
        found = anyio_pool.idle()
        os.kill(left, signal.SIGCONT)
        assert found == {left}
        engine._pool._slots.release_on_behalf_of(engine)
        await until(lambda: engine.workers_alive == 2)
        assert left in await pids_of(engine, 2)


@pytest.mark.usefixtures("light_libraries")
async def test_idle_workers_are_kept_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "KEEP_WARM_SECONDS", 0.1)
    async with ProcessEngine(2, 0, LONG) as engine:
        both = await pids_of(engine, 2)
        entered = anyio.current_time()
        idle = to_process._process_pool_idle_workers.get()
        await until(lambda: len(idle) == 2 and min(since for _, since in idle) > entered)
        assert await pids_of(engine, 2) == both
        killed = both.pop()
        os.kill(killed, signal.SIGKILL)
        await until(lambda: engine.workers_alive == 1)
        await until(lambda: engine.workers_alive == 2)  # without any call


@pytest.mark.usefixtures("light_libraries")
async def test_an_idle_worker_that_hangs_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with ProcessEngine(1, 0, LONG) as engine:
        hung = await engine.run(os.getpid)
        os.kill(hung, signal.SIGSTOP)
        with monkeypatch.context() as short:
            short.setattr(worker_pool, "START_SECONDS", 0.2)
            engine._pool._ping_idle_workers()
            await until(lambda: not engine._pool._slots.available_tokens)
            await anyio.wait_all_tasks_blocked()
        await until(lambda: not psutil.pid_exists(hung))
        assert await engine.run(os.getpid) != hung
    assert "did not respond" in caplog.text


@pytest.mark.usefixtures("light_libraries")
async def test_a_failing_start_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_pool, "START_RETRY_SECONDS", 0.05)
    warm_up = partial(workload.announce_unless_broken, str(tmp_path))
    async with ProcessEngine(1, 0, LONG, warm_up=warm_up) as engine:
        broken = tmp_path / "broken"
        broken.touch()
        os.kill(await engine.run(os.getpid), signal.SIGKILL)
        await until(lambda: engine.workers_alive == 0)
        assert not await engine.probe(0.05)
        await until(lambda: "broken on purpose" in caplog.text)
        broken.unlink()
        assert await engine.run(operator.add, 2, 3) == 5


@pytest.mark.usefixtures("light_libraries")
def test_two_engines_in_two_threads_start_at_the_same_time() -> None:
    """For requests and for jobs; uvloop starts one process at a time, and refuses the other one."""
    both = threading.Barrier(2, timeout=LONG)

    async def start_several() -> int:
        alive = 0
        for _ in range(5):
            both.wait()
            async with ProcessEngine(2, 0, LONG) as engine:
                await until(lambda engine=engine: engine.workers_alive == 2)
                alive += engine.workers_alive
        return alive

    def of_a_thread(_: int) -> int:
        return anyio.run(start_several, backend_options={"use_uvloop": True})

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(of_a_thread, range(2))) == [10, 10]


@pytest.mark.usefixtures("light_libraries")
async def test_a_failing_warm_up_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    engine = ProcessEngine(1, 0, LONG, warm_up=partial(workload.announce_unless_broken, str(tmp_path)))
    with pytest.raises(OSError, match="broken on purpose"):
        await engine.__aenter__()


@pytest.mark.usefixtures("light_libraries")
async def test_a_worker_that_is_killed_while_starting_is_restarted(tmp_path: Path) -> None:
    warm_up = partial(workload.die_at_first, str(tmp_path))
    async with ProcessEngine(1, 0, LONG, warm_up=warm_up) as engine:
        assert len(pids_in(tmp_path)) == 2
        assert await engine.run(operator.add, 2, 3) == 5


async def test_workers_that_always_die_while_starting_are_a_failure(tmp_path: Path) -> None:
    with pytest.raises(anyio.BrokenWorkerProcess):
        async with ProcessEngine(1, 0, LONG, warm_up=partial(workload.die, str(tmp_path))):
            pass
    assert len(pids_in(tmp_path)) == worker_pool.START_ATTEMPTS


@pytest.mark.usefixtures("light_libraries")
async def test_a_worker_that_starts_early_belongs_to_the_next_pool(tmp_path: Path) -> None:
    """It is warmed up once, although its warm-up is another object there."""
    await worker_pool.start_early(workload.Announcement(str(tmp_path)))
    (early,) = pids_in(tmp_path)
    (tmp_path / str(early)).unlink()
    async with ProcessEngine(1, 0, LONG, warm_up=workload.Announcement(str(tmp_path))) as engine:
        assert await engine.run(os.getpid) == early
        assert not pids_in(tmp_path)


@pytest.mark.usefixtures("light_libraries")
async def test_a_failed_early_start_is_repeated_by_the_pool(tmp_path: Path) -> None:
    warm_up = partial(workload.die_at_first, str(tmp_path))
    await worker_pool.start_early(warm_up)
    async with ProcessEngine(1, 0, LONG, warm_up=warm_up) as engine:
        assert len(pids_in(tmp_path)) == 2
        assert await engine.run(operator.add, 2, 3) == 5


async def test_the_probe_detects_hung_workers(tmp_path: Path) -> None:
    async with ProcessEngine(1, 0, LONG) as engine:
        assert await engine.probe(LONG)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run, workload.spin, str(tmp_path))
            await announced(tmp_path)
            assert await engine.probe(0)  # busy with live work
            tasks.cancel_scope.cancel()
        assert not await engine.probe(0)
        hung = await engine.run(os.getpid)
        os.kill(hung, signal.SIGSTOP)
        assert not await engine.probe(0.2)
        assert not psutil.pid_exists(hung)
        assert await engine.probe(LONG)
    assert not await engine.probe(LONG)


@pytest.mark.usefixtures("light_libraries")
async def test_closing_waits_for_admitted_work(tmp_path: Path) -> None:
    first, second, over = Outcome(), Outcome(), tmp_path / "over"

    async def let_go() -> None:
        await until(lambda: engine._closing)
        over.touch()

    async with anyio.create_task_group() as tasks:
        async with ProcessEngine(1, 1, LONG, grace_seconds=LONG) as engine:
            tasks.start_soon(first.of, engine, workload.wait_for, str(over))
            await until(lambda: engine.running)
            tasks.start_soon(second.of, engine, os.getpid)
            await until(lambda: engine.waiting)
            tasks.start_soon(let_go)
        assert first.value == second.value
        assert not psutil.pid_exists(first.value)
        with pytest.raises(ShuttingDownError, match="no new work"):
            await engine.run(operator.add, 2, 3)


@pytest.mark.usefixtures("light_libraries")
async def test_closing_ends_work_that_exceeds_the_grace_period(tmp_path: Path) -> None:
    runaway, queued = Outcome(), Outcome()
    async with anyio.create_task_group() as tasks:
        async with ProcessEngine(1, 1, LONG, grace_seconds=0.1) as engine:
            tasks.start_soon(runaway.of, engine, workload.spin_deaf, str(tmp_path))
            pid = await announced(tmp_path)
            tasks.start_soon(queued.of, engine, operator.add, 2, 3)
        assert not psutil.pid_exists(pid)
    assert isinstance(runaway.value, ShuttingDownError)
    assert isinstance(queued.value, ShuttingDownError)
