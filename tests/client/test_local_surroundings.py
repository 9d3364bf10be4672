"""A private service starts with any files, variables, folders and processors, or reports the problem."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.processes import eventually, mentioning

import lindyn

pytestmark = pytest.mark.live

SHADOWS = ("limits", "queue", "random", "types", "redis", "numpy", "scipy", "fastapi", "anyio", "uvicorn", "logging")

ASKING = """
import json, os, sys
os.environ.update(json.loads(sys.argv[1]))
import numpy as np
import lindyn

base = {"network": {"kind": "balanced", "dims": [2, 2, 2], "seed": 1}, "task": np.eye(2), "times": [0, 1]}
with lindyn.Client.local(workers=1) as client:
    print(client.sweep(base=base, axes={"network.lambda": [0.5, 1.0]}).result()["final_loss"].shape)
    print(client._service.socket.parent)
"""


def asking(folder: Path, **variables: str) -> str:
    """Output of a program that uses a private service in a folder, with these variables; no files are left."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", ASKING, json.dumps(variables)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    said, own_folder = run.stdout.splitlines()
    assert not Path(own_folder).exists()
    assert not mentioning(own_folder)
    return said


def service_in(folder: Path) -> psutil.Process:
    """The private service with this folder for temporary files; other tests may have their own."""
    (service,) = [process for process in mentioning(str(folder)) if process.ppid() == os.getpid()]
    return service


def threads_of_workers(folder: Path) -> list[int]:
    """Numbers of threads of all workers of that service."""
    children = service_in(folder).children()
    return [child.num_threads() for child in children if "anyio.to_process" in " ".join(child.cmdline())]


def why_it_did_not_start() -> str:
    """Error of a private service that does not start."""
    with pytest.raises(lindyn.LocalServiceError) as caught:
        lindyn.Client.local(workers=1)
    return str(caught.value)


@pytest.fixture
def customize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Run some lines at the start of every interpreter."""

    def write(lines: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(lines)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return write


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with files that have the names of libraries."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} of the working folder')\n")
    return tmp_path


@pytest.mark.parametrize("path", [None, ":.", "/nowhere::"])
def test_files_with_names_of_libraries_are_not_imported(shadows: Path, path: str | None) -> None:
    before = sorted(shadows.iterdir())
    assert asking(shadows, **({} if path is None else {"PYTHONPATH": path})) == "(2,)"
    assert sorted(shadows.iterdir()) == before


def test_errors_of_imported_files_are_shown(shadows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on the module path is searched; the message names the file, and no extra."""
    monkeypatch.setenv("PYTHONPATH", str(shadows))
    said = why_it_did_not_start()
    assert "RuntimeError" in said
    assert "of the working folder" in said
    assert str(shadows) in said
    assert "pip install" not in said


def test_a_library_that_is_not_installed_is_named(customize: Callable[[str], None]) -> None:
    customize("import sys\nsys.modules['uvicorn'] = None\n")
    said = why_it_did_not_start()
    assert "code 1" in said
    assert "needs uvicorn" in said
    assert "[service]'" in said
    assert "Traceback" not in said


def test_a_private_service_that_is_killed_while_starting(customize: Callable[[str], None]) -> None:
    customize("import os\nos.kill(os.getpid(), 9)\n")
    assert "ended by signal 9. End of its log:\n(empty)" in why_it_did_not_start()


def test_a_missing_interpreter_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "/nowhere/python" in why_it_did_not_start()
    assert list(folder.iterdir()) == []


@pytest.fixture
def crowded(tmp_path: Path) -> dict[str, str]:
    """Variables of a web application, of Kubernetes, and of another service of this kind."""
    keys = tmp_path / "keys"
    keys.write_text("")
    (tmp_path / "metrics").mkdir()
    return {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
        "prometheus_multiproc_dir": str(tmp_path / "metrics"),
        "WEB_CONCURRENCY": "auto",
        "FORWARDED_ALLOW_IPS": "*",
        "UVICORN_PORT": "tcp://10.0.0.6:80",
        "FASTAPI_OTEL_AUTO_CONFIGURE": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_TRACES_SAMPLER": "nonsense",
        "OTEL_SERVICE_NAME": "shop",
        "MPLBACKEND": "module://nowhere",
        "PYTHONWARNINGS": "error",
        "LINDYN_PORT": "tcp://10.0.0.5:8000",
        "LINDYN_SERVICE_HOST": "10.0.0.5",
        "LINDYN_SERVICE_PORT": "8000",
        "LINDYN_PORT_8000_TCP": "tcp://10.0.0.5:8000",
        "LINDYN_HOST": "0.0.0.0",
        "LINDYN_DESCRIPTOR": "77",
        "LINDYN_PROCESS": "1",
        "LINDYN_PROCESSES": "3",
        "LINDYN_API_KEYS_FILE": str(keys),
        "LINDYN_REDIS_URL": "redis://127.0.0.1:1/0",
        "LINDYN_DASK_SCHEDULER": "tcp://127.0.0.1:1",
        "LINDYN_LOG_LEVEL": "nonsense",
        "LINDYN_MAX_FLOPS": "1",
        "LINDYN_EMBEDDED_CACHE": "false",
        "LINDYN_SPOOL_FOLDER": "/proc/nowhere",
        "lindyn_queue": "-1",
    }


def test_foreign_variables_have_no_effect(crowded: dict[str, str], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert asking(tmp_path, **crowded) == "(2,)"
    assert sorted(tmp_path.rglob("*")) == before


def test_foreign_variables_are_not_passed(
    crowded: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in crowded.items():
        monkeypatch.setenv(name, value)
    with lindyn.Client.local(workers=1, embedded_cache=False):
        variables = service_in(folder).environ()
    ours = {"LINDYN_WORKERS": "1", "LINDYN_EMBEDDED_CACHE": "False", "LINDYN_STOP_WITH_STDIN": "true"}
    left = {name: value for name, value in variables.items() if name in crowded or name.startswith("LINDYN_")}
    assert {name: value for name, value in left.items() if name != "LINDYN_SOCKET"} == ours
    assert variables["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("length", [74, 79, 200])
def test_a_long_name_of_the_folder_for_temporary_files(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """Addresses of sockets have at most 107 bytes; those of the service and of its Valkey are put where they fit."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ld") as parent:
        folder = Path(parent, "x" * (length - len(parent) - 1))
        folder.mkdir()
        assert len(str(folder)) == length
        assert asking(tmp_path_factory.mktemp("here"), TMPDIR=str(folder)) == "(2,)"
        assert list(folder.iterdir()) == []
        assert not mentioning(str(folder))


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "/proc"])
def test_a_folder_for_temporary_files_that_cannot_be_used(tmp_path: Path, folder: str) -> None:
    """Python then uses another folder."""
    assert asking(tmp_path, TMPDIR=folder) == "(2,)"


def test_a_missing_folder_for_temporary_files_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = str(folder / "gone")  # short enough for a socket, else another one would be taken
    monkeypatch.setattr(tempfile, "tempdir", gone)
    said = why_it_did_not_start()
    assert gone in said
    assert "Set TMPDIR to a folder" in said


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has affinities")
def test_there_is_a_worker_for_each_allowed_processor() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with lindyn.Client.local(embedded_cache=False) as client:
            assert client.about()["limits"]["workers"] == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has affinities")
def test_the_number_of_workers_is_bounded_on_large_machines(
    customize: Callable[[str], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with 40 processors, simulated if necessary; each worker has one thread with any setting."""
    customize("import os\nos.cpu_count = lambda: 40\nos.sched_getaffinity = lambda _: set(range(40))\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    with lindyn.Client.local(embedded_cache=False) as client:
        assert client.about()["limits"]["workers"] == 8
        eventually(lambda: threads_of_workers(folder) == [1] * 8)
