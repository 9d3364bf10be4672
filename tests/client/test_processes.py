"""Clients, results and errors in several processes: after a fork, in pools, and pickled."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import PATIENCE_SECONDS, Service, clean_environment

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")]

COMMON = """
import asyncio, concurrent.futures, copy, ctypes, functools, gc, multiprocessing, os, pickle, signal, sys, threading
import httpx, numpy as np, lindyn

URL = sys.argv[1] if len(sys.argv) > 1 else None
FORK = multiprocessing.get_context("fork")

def network(seed):
    return lindyn.balanced([2, 2, 2], lam=0.5, seed=seed)

def ask(seed):
    found = client.trajectory(network=network(seed), task=np.diag([3.0, 1.0]), times=[0.0, 1.0])
    return seed, found.reply.seed, os.getpid()

def in_a_fork(work):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status) if work.__name__ != "exits" else sys.exit(status)
    return child

def in_a_fork_of_c(work):
    child = ctypes.CDLL(None).fork()
    if child == 0:
        work()
        os._exit(0)

def ended(child):
    assert os.waitpid(child, 0)[1] == 0
"""


def run(script: str, tmp_path: Path, *arguments: str) -> str:
    """Run a program in another process, since a fork of the tests would have the locks of all their threads."""
    program = tmp_path / "program.py"
    program.write_text(COMMON + script)
    ended = subprocess.run(
        [sys.executable, program, *arguments],
        env={name: value for name, value in clean_environment().items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stdout


def test_a_client_is_used_before_and_after_a_fork(service: Service, tmp_path: Path) -> None:
    said = run(
        """
with lindyn.Client(URL) as client:
    client.about()
    with FORK.Pool(4) as pool:
        found = pool.map(ask, range(160), chunksize=1)
    assert all(asked == got for asked, got, _ in found), found
    assert os.getpid() not in {process for _, _, process in found}
    assert ask(7)[:2] == (7, 7)
print("done")
""",
        tmp_path,
        service.url,
    )
    assert said == "done\n"


def test_a_fork_during_requests_of_other_threads(service: Service, tmp_path: Path) -> None:
    """Locks that other threads hold during the fork are never released in the child."""
    run(
        """
with lindyn.Client(URL) as client:
    ask(1)
    over = threading.Event()
    def keep_asking(seed):
        while not over.is_set():
            assert ask(seed)[:2] == (seed, seed)
    threads = [threading.Thread(target=keep_asking, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    def work():
        assert ask(99)[:2] == (99, 99)
        client.close()
    try:
        for _ in range(20):
            ended(in_a_fork(work))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert ask(3)[:2] == (3, 3)
""",
        tmp_path,
        service.url,
    )


def test_the_end_of_a_fork_does_not_end_the_private_service(tmp_path: Path) -> None:
    run(
        """
def forgets():
    global client
    client = None
    gc.collect()

with lindyn.Client.local(workers=1) as client:
    folder = client._service.socket.parent
    ask(1)
    for ending in (client.close, forgets, lambda: None):
        def exits():
            ask(2)
            ending()
        ended(in_a_fork(exits))
        assert folder.is_dir()
        assert ask(3)[:2] == (3, 3)
assert not folder.exists()
""",
        tmp_path,
    )


def test_a_living_fork_does_not_keep_the_private_service(tmp_path: Path) -> None:
    """A service that is killed because it did not stop has a negative return code."""
    run(
        """
client = lindyn.Client.local(workers=1)
ask(1)
ours, theirs = os.pipe()
heard, says = os.pipe()
def waits():
    ask(2)
    os.write(says, b"x")
    os.close(theirs)
    os.read(ours, 1)
child = in_a_fork(waits)
os.read(heard, 1)
service = client._service
client.close()
assert service._process.returncode == 0, service._process.returncode
assert not service.socket.parent.exists()
os.close(theirs)
ended(child)
""",
        tmp_path,
    )


@pytest.mark.parametrize("fork", ["in_a_fork", "in_a_fork_of_c"])
def test_a_private_service_ends_with_its_owner_even_if_forks_live(tmp_path: Path, fork: str) -> None:
    """Also forks that bypass Python, and which keep all pipes open."""
    run(
        f"fork = {fork}"
        """
ours, theirs = os.pipe()
def owner():
    global client
    client = lindyn.Client.local(workers=1)
    ask(1)
    def waits():
        os.close(theirs)
        os.read(ours, 1)
    fork(waits)
    print(client._service._process.pid)
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.dup2(writing, 1)
    os.close(reading)
    owner()
os.close(writing)
service = int(os.fdopen(reading).readline())
os.waitpid(child, 0)
import psutil
try:
    psutil.Process(service).wait(60)
except psutil.NoSuchProcess:
    pass
os.close(theirs)
""",
        tmp_path,
    )


def test_a_transport_of_another_process(service: Service, tmp_path: Path) -> None:
    run(
        """
def refused():
    try:
        client.about()
    except lindyn.ConfigurationError as error:
        assert str(error).startswith("transport: got one that is of another process"), error
    else:
        raise AssertionError("it was shared")
with lindyn.Client(URL, transport=httpx.HTTPTransport()) as client:
    client.about()
    ended(in_a_fork(refused))
    try:
        pickle.dumps(client)
    except lindyn.ConfigurationError as error:
        assert "transport" in str(error)
    client.about()
with lindyn.Client(URL, transport=httpx.HTTPTransport) as client:
    client.about()
    with FORK.Pool(2) as pool:
        assert all(asked == got for asked, got, _ in pool.map(ask, range(20)))
""",
        tmp_path,
        service.url,
    )


def test_an_asynchronous_client_after_a_fork(service: Service, tmp_path: Path) -> None:
    run(
        """
client = lindyn.AsyncClient(URL)
async def ask_some(_):
    found = await asyncio.gather(*[
        client.trajectory(network=network(seed), task=np.eye(2), times=[0.0]) for seed in range(5)
    ])
    return [each.reply.seed for each in found]
assert asyncio.run(ask_some(0)) == [0, 1, 2, 3, 4]
def work():
    assert asyncio.run(ask_some(0)) == [0, 1, 2, 3, 4]
ended(in_a_fork(work))
assert asyncio.run(ask_some(0)) == [0, 1, 2, 3, 4]
asyncio.run(client.close())
""",
        tmp_path,
        service.url,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_clients_results_and_errors_can_be_passed_through_pools(method: str, service: Service, tmp_path: Path) -> None:
    run(
        f"""
def diverges(client):
    return client.trajectory(
        network=lindyn.weights(np.eye(2), np.eye(2)), task=np.diag([3.0, 1.0]), times=[0.0, 1e4],
        method={{"kind": "descent", "learning_rate": 10.0}},
    )

def weights(client, seed):
    return client.initialization(network(seed), np.eye(2))

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with lindyn.Client(URL) as client:
        client.about()
        with context.Pool(2) as pool:
            found = pool.starmap(weights, [(client, seed) for seed in range(4)])
            assert [each.seed for each in found] == [0, 1, 2, 3]
            try:
                pool.apply_async(diverges, (client,)).get(60)
            except lindyn.DivergedError as error:
                assert error.problem.code == "diverged" and "divide" in str(error), error
            else:
                raise AssertionError("no error")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert [each.seed for each in pool.map(functools.partial(weights, client), range(4))] == [0, 1, 2, 3]
            error = pool.submit(diverges, client).exception(60)
            assert type(error) is lindyn.DivergedError and error.problem.code == "diverged", error
            assert error.problem.request_id in str(error)
""",
        tmp_path,
        service.url,
    )
