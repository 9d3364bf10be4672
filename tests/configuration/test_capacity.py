"""Memory and disk space from which settings are derived, as the kernel reports them."""

import math
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lindyn_service.configuration import capacity
from lindyn_service.configuration.settings import Settings

MIB = 2**20
UNIFIED = "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
OLD = "32 31 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(("text", "expected"), [("4294967296\n", 2**32), ("max\n", math.inf), ("odd\n", math.inf)])
def test_a_limit_of_version_2(tmp_path: Path, text: str, expected: float) -> None:
    files = {"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": UNIFIED, "sys/fs/cgroup/a/b/memory.max": text}
    write(tmp_path, files)
    assert capacity.memory(tmp_path) == expected


def test_the_smallest_limit_of_all_enclosing_groups_counts(tmp_path: Path) -> None:
    files = {f"sys/fs/cgroup/{group}/memory.max": f"{size}\n" for group, size in (("a", 7), ("a/b", "max"), ("c", 1))}
    write(tmp_path, {"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": UNIFIED, **files})
    assert capacity.memory(tmp_path) == 7


def test_a_limit_of_version_1(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "12:memory:/a\n", "proc/self/mountinfo": OLD}
    write(tmp_path, {**files, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1000\n"})
    assert capacity.memory(tmp_path) == 1000


def test_other_systems_have_no_limit(tmp_path: Path) -> None:
    assert capacity.memory(tmp_path) == math.inf


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LINDYN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(capacity, "memory", lambda: 4096 * MIB)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("chosen", "each"),
    [
        ({"workers": 3, "dask_scheduler": "tcp://d:1", "processes": 2}, 256 * MIB),
        ({"workers": 1, "processes": 2}, 512 * MIB),
        ({"workers": 2, "job_workers": 6}, 256 * MIB),
        ({"workers": 100}, 256 * MIB),  # workers do not start with less
        ({"workers": 1, "worker_memory_bytes": 3000 * MIB}, 3000 * MIB),
    ],
    ids=str,
)
def test_workers_share_half_of_the_memory(chosen, each) -> None:
    settings = Settings(**chosen)
    assert settings.worker_memory_bytes == each
    assert settings.max_work_bytes == each


@pytest.mark.usefixtures("limited")
def test_explicit_settings_take_precedence() -> None:
    assert Settings(workers=1, max_work_bytes=7).max_work_bytes == 7


def test_files_get_half_of_the_space_that_is_free_or_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=60 * MIB))
    assert Settings(spool_folder=tmp_path).spool_bytes == 30 * MIB
    (tmp_path / "answer").write_bytes(bytes(4 * MIB))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "table").write_bytes(bytes(4 * MIB))
    chosen = Settings(spool_folder=tmp_path)
    assert (chosen.spool_bytes, chosen.results_bytes) == (34 * MIB, 17 * MIB)
    assert Settings(spool_folder=tmp_path / "not" / "yet").spool_bytes == 30 * MIB
    assert Settings().spool_bytes == 30 * MIB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**50))
    assert (Settings().spool_bytes, Settings().results_bytes) == (4096 * MIB, 1024 * MIB)


def test_folders_without_write_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert Settings().spool_bytes == 4096 * MIB
