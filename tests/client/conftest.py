import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import tenacity
from support.processes import RedisServer, Service, eventually, has_ended

import lindyn


@pytest.fixture(autouse=True, scope="session")
def no_process_left() -> Iterator[None]:
    """Hold these tests to leaving no child process behind.

    Dask, which other tests load, has multiprocessing's tracker of resources run as long as its parent does.
    """
    before = {process.pid for process in psutil.Process().children()}
    yield
    eventually(lambda: not [process for process in left_since(before) if "resource_tracker" not in process])


def left_since(before: set[int]) -> list[str]:
    """The command lines of the living child processes that are not in `before`."""
    children = [process for process in psutil.Process().children() if process.pid not in before]
    return [" ".join(process.cmdline()) for process in children if not has_ended(process)]


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with Service(tcp=True) as service:
        yield service


@pytest.fixture(scope="session")
def job_service() -> Iterator[Service]:
    """A service that also runs jobs."""
    with RedisServer() as server, Service(tcp=True, redis_url=server.url, job_workers=1) as service:
        yield service


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(service.url) as client:
        yield client


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files of this process and its children, with a name short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Durations for which the blocking client sleeps between attempts; its clock advances without waiting."""
    slept: list[float] = []
    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=lambda: sum(slept)))
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def no_window() -> Iterator[None]:
    """Draw without windows, and close all figures; matplotlib is imported for tests that draw only."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without variables for addresses, keys, proxies and certificates."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("LINDYN_", "SSL")):
            monkeypatch.delenv(name)
