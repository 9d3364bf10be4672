import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.append(str(Path(__file__).parent / "workload"))  # workers get the parent's sys.path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def light_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the workers from importing pytest: anyio has each run the parent's main module."""
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)


@pytest.fixture
def light_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let workers start in a fifth of the time, with an empty numpy and scipy, where nothing is computed."""
    for name in ("numpy", "scipy.linalg"):  # this process keeps the real ones
        importlib.import_module(name)
    stand_ins = tmp_path_factory.mktemp("libraries")
    (stand_ins / "scipy").mkdir()
    for module in ("numpy.py", "scipy/__init__.py", "scipy/linalg.py"):
        (stand_ins / module).touch()
    monkeypatch.syspath_prepend(str(stand_ins))


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Hold every test to leaving no child process behind."""
    before = set(psutil.Process().children())
    yield
    deadline = time.monotonic() + 120
    while left := set(psutil.Process().children()) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
