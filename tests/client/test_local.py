"""The lifetime of a private service, which ends with its owner in all cases."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.processes import eventually, has_ended, mentioning

import lindyn

pytestmark = pytest.mark.live

BALANCED = {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.5, "seed": 1}

OWNER = """
import time, lindyn
client = lindyn.Client.local(workers=1)
said = "started"
while True:
    try:
        print(said, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        said = client.about()["name"]
"""


def test_a_private_service_answers_and_leaves_nothing(folder: Path) -> None:
    with lindyn.Client.local(workers=1) as client:
        found = client.trajectory(network=BALANCED, task=np.eye(2), times=[0.0, 1.0])
        assert found.loss.shape == (2,)
        assert client.about()["limits"]["workers"] == 1
        processes = mentioning(str(folder))
        assert len(processes) >= 3  # the service, its worker, its cache
    assert all(has_ended(process) for process in processes)
    assert not mentioning(str(folder))
    assert list(folder.iterdir()) == []
    client.close()  # does nothing the second time


def test_a_private_service_survives_an_interrupt_and_ends_with_its_owner(folder: Path) -> None:
    """A notebook interrupts its cell by a signal to the process group."""
    owner = psutil.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert owner.stdout.readline() == "started\n"
        services = [process for process in mentioning(str(folder)) if process.pid != owner.pid]
        assert len(services) >= 3
        os.killpg(owner.pid, signal.SIGINT)
        assert owner.stdout.readline() == "lindyn\n"
        assert not any(has_ended(process) for process in services)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    eventually(lambda: all(has_ended(process) for process in services))
    assert not mentioning(str(folder))
    assert list(folder.iterdir()) == []  # also the folder that the killed owner had made


def test_a_private_service_that_starts_or_stops_too_slowly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lindyn._local_service._START_SECONDS", 0)
    monkeypatch.setattr("lindyn._local_service._STOP_SECONDS", 0)
    with pytest.raises(lindyn.LocalServiceError, match="did not start"):
        lindyn.Client.local(workers=1)
    assert not mentioning(str(folder))
    assert list(folder.iterdir()) == []


def test_a_private_service_that_does_not_start(folder: Path) -> None:
    with pytest.raises(lindyn.LocalServiceError, match=r"LINDYN_WORKERS: got '0', expected at least 1"):
        lindyn.Client.local(workers=0)
    assert list(folder.iterdir()) == []


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(lindyn.LocalServiceError) as caught:
        lindyn.Client.local(worker=2, quartz=1)
    assert "LINDYN_WORKER: there is no such setting, did you mean LINDYN_WORKERS?" in str(caught.value)
    assert "LINDYN_QUARTZ: there is no such setting; lindyn-service --help lists all" in str(caught.value)


# httpx leaves sockets open whose connection is refused
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_private_service_that_was_killed() -> None:
    with lindyn.Client.local(workers=1, embedded_cache=False) as client:
        client._service._process.kill()
        client._service._process.wait()
        with pytest.raises(lindyn.UnreachableError, match=r"has the private service ended\? Start another one with"):
            client.about()
    gc.collect()
