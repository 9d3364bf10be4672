import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.live

PATIENCE_SECONDS = 300

IN_A_PROCESS_OF_ITS_OWN = """
import operator, os, signal, sys
from lindyn_service.engine import worker
import engine_workload

assert "scipy" not in sys.modules  # importing the engine is light
assert worker.call(operator.add, (2, 3)) == 5
assert set(engine_workload.blas_threads()) == {1}
assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
try:
    worker.call(operator.truediv, (1, 0))
except ZeroDivisionError as error:
    assert "ZeroDivisionError" in error.__notes__[0]
try:
    worker.call(sys.exit, (3,))
except RuntimeError as error:
    assert "SystemExit(3)" in str(error)
warmed = []
assert worker.warm(lambda: warmed.append(1)) == os.getpid()
assert worker.warm(print) == worker.warm(print) == os.getpid()
assert warmed == [1]
"""

INTERRUPTED = """
import signal
from contextlib import ExitStack
from lindyn_service.engine import worker

def interrupt():
    signal.raise_signal(signal.SIGUSR1)

def interrupt_the_standard_library():
    with ExitStack() as stack:
        stack.callback(signal.raise_signal, signal.SIGUSR1)
    return "undisturbed"

assert worker.call(interrupt_the_standard_library, ()) == "undisturbed"
try:
    worker.call(interrupt, ())
except RuntimeError as error:
    assert "Interrupted()" in str(error)
else:
    raise AssertionError
"""

ENGINE_IN_A_LOOP = """
import asyncio, sys
import engine_workload
from lindyn_service.engine.processes import ProcessEngine

async def main():
    async with ProcessEngine(1, 0, 60.0) as engine:
        await engine.run(engine_workload.spin, sys.argv[2])

factory = asyncio.new_event_loop
if sys.argv[1] == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


def python(script: str, *args: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", script, *args]


def with_workload() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent / "workload")}


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_prepares_its_process() -> None:
    done = subprocess.run(
        python(IN_A_PROCESS_OF_ITS_OWN), env=with_workload(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_an_interruption_spares_code_that_may_hold_a_lock() -> None:
    """An exception there could leave the lock held, and the next call of the worker would wait for it for ever."""
    done = subprocess.run(python(INTERRUPTED), env=with_workload(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
@pytest.mark.parametrize(("loop", "ending"), [("uvloop", signal.SIGKILL), ("asyncio", signal.SIGINT)])
def test_no_worker_outlives_the_service(loop: str, ending: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        python(ENGINE_IN_A_LOOP, loop, str(tmp_path)), env=with_workload(), stderr=subprocess.PIPE, text=True
    ) as service:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        worker = int(next(tmp_path.iterdir()).name)
        service.send_signal(ending)
        _, errors = service.communicate(timeout=PATIENCE_SECONDS)
    wait_until_gone(worker)
    assert "Warning" not in errors
