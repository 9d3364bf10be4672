"""Starting the service: its command, working directory, environment variables and processors."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from support.processes import PATIENCE_SECONDS, RedisServer, Service, clean_environment, eventually, trajectory

from lindyn_service.configuration import capacity
from lindyn_service.configuration.settings import Settings

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(sys.executable).with_name("lindyn-service"))
MODULE = [sys.executable, "-m", "lindyn_service"]
SHADOWS = ("limits", "queue", "random", "redis", "numpy", "fastapi", "anyio", "uvicorn")


@contextmanager
def started(command: Sequence[str], folder: Path, **variables: str) -> Iterator[tuple[psutil.Popen, Path]]:
    """A service that was started in a folder, and its log; SIGTERM ends it, which is not a failure."""
    log = folder.with_name(f"{folder.name}.log")
    more = {"LINDYN_WORKERS": "1", "LINDYN_PORT": "0", "LINDYN_EMBEDDED_CACHE": "false", **variables}
    with log.open("wb") as said:
        process = psutil.Popen(
            command,
            cwd=folder,
            env=clean_environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield process, log
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def url_in(process: psutil.Popen, log: Path) -> str:
    def found() -> re.Match[str] | None:
        assert process.poll() is None, log.read_text()
        return re.search(r"Open (http://\S+)", log.read_text())

    return eventually(found, 60)[1]


def answers(url: str) -> bool:
    balance = {"weights": [[[1.0]], [[2.0]]]}
    return httpx.post(f"{url}/v1/balance", json=balance, trust_env=False, timeout=PATIENCE_SECONDS).json()[
        "feasible"
    ] == [True]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
@pytest.mark.parametrize("command", [[SCRIPT], MODULE], ids=["script", "module"])
def test_help_is_printed(command: list[str], arguments: list[str]) -> None:
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    assert run.stdout.startswith("usage: lindyn-service")
    assert "key NAME" in run.stdout
    for name, field in Settings.model_fields.items():
        assert re.search(rf"^  LINDYN_{name.upper()} .*{re.escape(field.description or '?')}", run.stdout, re.M), name
    assert "[8000]" in run.stdout


def test_the_version_is_printed() -> None:
    run = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS)
    assert re.fullmatch(r"lindyn \d+\.\d+\.\d+\S*\n", run.stdout)


@pytest.mark.parametrize("argument", ["serve", "--port=8001", "keys"])
def test_unknown_options_are_refused(argument: str) -> None:
    run = subprocess.run([SCRIPT, argument], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert run.returncode == 2
    assert argument in run.stderr


def test_without_its_libraries_it_says_what_to_install() -> None:
    """An interpreter without site-packages."""
    places = os.pathsep.join((str(ROOT / "client"), str(ROOT / "service")))
    for module in ("lindyn_service", "lindyn_service.server.private_service"):
        command = [sys.executable, "-S", "-m", module]
        run = subprocess.run(
            command,
            env=clean_environment(PYTHONPATH=places),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert run.returncode == 1
        assert re.match(
            r"lindyn: the service needs \w+, which is not installed for \S+; in a clone .* run ", run.stderr
        )
        assert "pip install '.[service]'" in run.stderr
        assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [[SCRIPT], MODULE, [*MODULE[:-1], "lindyn_service.server.private_service"]], ids=str
)
def test_files_with_names_of_libraries_are_not_imported(command: list[str], tmp_path: Path) -> None:
    """Neither by the service nor by its workers."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name}')\n")
    before = sorted(folder.iterdir())
    with started(command, folder) as (process, log):
        assert answers(url_in(process, log))
    assert sorted(folder.iterdir()) == before


def test_a_long_name_of_the_folder_for_temporary_files() -> None:
    """The socket of its Valkey is put where it fits, and is removed at the end."""
    before = set(Path("/tmp").glob("lindyn-valkey-*"))
    with Service(embedded_cache=True, temporary="x" * 100) as service:
        assert service.readiness() == {"ready": True, "workers": "ok", "cache": "ok"}
        (valkey,) = [path for path in set(Path("/tmp").glob("lindyn-valkey-*")) - before if is_of(path, service)]
    assert not valkey.exists()


def is_of(folder: Path, service: Service) -> bool:
    """Whether a folder is that of the Valkey of a service."""
    return str(folder) in " ".join(service.valkey().cmdline())


def test_without_a_folder_for_temporary_files(tmp_path: Path) -> None:
    """As in a container without a writable file system."""
    (tmp_path / "sitecustomize.py").write_text(
        "import tempfile\n"
        "def nowhere():\n"
        "    raise FileNotFoundError(2, 'No usable temporary directory found in /tmp')\n"
        "tempfile._get_default_tempdir = nowhere\n"
    )
    environment = clean_environment(PYTHONPATH=str(tmp_path), LINDYN_PORT="0")
    run = subprocess.run(MODULE, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert run.returncode == 1
    assert run.stderr.startswith("lindyn: TMPDIR: ")
    assert "No usable temporary directory" in run.stderr
    assert len(run.stderr.splitlines()) == 1


CROWDED = {
    "WEB_CONCURRENCY": "auto",
    "FORWARDED_ALLOW_IPS": "nonsense",
    "UVICORN_PORT": "tcp://10.0.0.6:80",
    "LINDYN_LOG_LEVEL": " INFO ",
    "LINDYN_LOG_FORMAT": "Text",
    "LINDYN_SERVICE_HOST": "10.0.0.5",
    "LINDYN_SERVICE_PORT": "8000",
    "LINDYN_PORT_8000_TCP": "tcp://10.0.0.5:8000",
    "LINDYN_API_KEYS_FILE": "",
    "LINDYN_REDIS_URL": " ",
    "LINDYN_HOST": " localhost\t",
    "LINDYN_MAX_FLOPS": "",
}


def test_foreign_and_empty_variables_are_ignored(tmp_path: Path) -> None:
    folder, metrics = tmp_path / "here", tmp_path / "metrics"
    folder.mkdir()
    metrics.mkdir()
    places = {"PROMETHEUS_MULTIPROC_DIR": str(metrics), "prometheus_multiproc_dir": str(metrics)}
    with started(MODULE, folder, **CROWDED, **places) as (process, log):
        url = url_in(process, log)
        assert answers(url)
        assert "lindyn_request_seconds" in httpx.get(f"{url}/metrics", trust_env=False, timeout=PATIENCE_SECONDS).text
        assert "LINDYN_API_KEYS_FILE is empty" in log.read_text()
    assert list(metrics.iterdir()) == list(folder.iterdir()) == []


def test_a_service_called_lindyn_in_kubernetes(tmp_path: Path) -> None:
    """Its port counts as not set, so that the service uses its default port, or reports that it is in use."""
    folder = tmp_path / "here"
    folder.mkdir()
    log = tmp_path / "log"
    with log.open("wb") as said:
        process = psutil.Popen(
            MODULE,
            env=clean_environment(LINDYN_PORT="tcp://10.0.0.5:8000", LINDYN_WORKERS="1"),
            stdout=said,
            stderr=said,
        )
    try:
        eventually(lambda: re.search(r"Open http://127.0.0.1:8000\n|cannot listen on port 8000", log.read_text()), 60)
        assert "LINDYN_PORT is tcp://10.0.0.5:8000, as Kubernetes sets it" in log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "[::1]"),
        ("::", "[::1]"),
    ],
)
def test_it_prints_its_address(tmp_path: Path, host: str, shown: str) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        if ":" in host and probe.connect_ex(("::1", 9)) not in (0, 111):
            pytest.skip("no IPv6 here")
    with started(MODULE, tmp_path, LINDYN_HOST=host, LINDYN_ALLOW_ANONYMOUS="1") as (process, log):
        url = url_in(process, log)
        assert url.startswith(f"http://{shown}:")
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=PATIENCE_SECONDS).json() == {"status": "ok"}
        if host == "localhost" and ("::1", 0) in [each[4][:2] for each in socket.getaddrinfo("localhost", 0)]:
            other = url.replace("127.0.0.1", "[::1]")
            assert httpx.get(f"{other}/healthz", trust_env=False, timeout=PATIENCE_SECONDS).json() == {"status": "ok"}


def test_several_processes_print_their_address(tmp_path: Path) -> None:
    with (
        RedisServer() as redis,
        started(MODULE, tmp_path, LINDYN_PROCESSES="2", LINDYN_REDIS_URL=redis.url, LINDYN_LOG_FORMAT="JSON") as (
            _,
            log,
        ),
    ):
        url = eventually(lambda: re.search(r'"Open (http://[^"]+)"', log.read_text()), 60)[1]
        assert answers(url)
        assert {json.loads(line)["level"] for line in log.read_text().splitlines()} == {"INFO"}


def test_there_is_a_worker_for_each_allowed_processor() -> None:
    """Each computes in one thread, and starts no others."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        with Service(workers="") as service:
            assert service.get("/v1/about").json()["limits"]["workers"] == 1
            (worker,) = service.workers()
            assert worker.num_threads() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_least_memory_of_workers_suffices_to_start_and_to_compute() -> None:
    """As in a small container with many processors."""
    with Service(workers=1, job_workers=1, worker_memory_bytes=capacity.MIN_WORKER_BYTES) as service:
        assert service.post(trajectory(width=20)).status_code == 200
