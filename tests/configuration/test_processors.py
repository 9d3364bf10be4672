"""Number of usable processors: by affinity, and by quotas of both versions of cgroups."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lindyn_service.configuration.processors import usable_processors

V1 = Path("/sys/fs/cgroup/cpu")
COUNT = [
    sys.executable,
    "-c",
    "from lindyn_service.configuration.processors import usable_processors; print(usable_processors())",
]

UNIFIED = "25 20 0:22 {above} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
OLD = (
    "31 30 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:27 {above} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 31 0:28 {above} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)


@pytest.fixture(autouse=True)
def forty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with forty processors, all of them allowed."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(40)))


class System:
    """The view of a process on a system, in a folder."""

    def __init__(self, root: Path, groups: str, mounts: str) -> None:
        self.root = root
        self.write("proc/self/cgroup", groups)
        self.write("proc/self/mountinfo", "20 1 0:5 / /proc rw - proc proc rw\n" + mounts)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def v2(self, group: str, text: str) -> None:
        self.write(f"sys/fs/cgroup/{group}/cpu.max", text)

    def v1(self, group: str, quota: int, period: int = 100_000) -> None:
        self.write(f"sys/fs/cgroup/cpu,cpuacct/{group}/cpu.cfs_quota_us", f"{quota}\n")
        self.write(f"sys/fs/cgroup/cpu,cpuacct/{group}/cpu.cfs_period_us", f"{period}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("50000 25000\n", 2),
        ("max 100000\n", 40),
        ("9000000 100000\n", 40),
        ("nonsense\n", 40),
    ],
)
def test_a_quota_of_version_2(tmp_path: Path, text: str, expected: int) -> None:
    system = System(tmp_path, "0::/user.slice/lab.scope\n", UNIFIED.format(above="/"))
    system.v2("user.slice/lab.scope", text)
    assert usable_processors(tmp_path) == expected


def test_the_smallest_quota_of_all_enclosing_groups_counts(tmp_path: Path) -> None:
    system = System(tmp_path, "0::/a/b/c\n", UNIFIED.format(above="/"))
    system.v2("a", "300000 100000\n")
    system.v2("a/b", "max 100000\n")
    system.v2("a/b/c", "800000 100000\n")
    system.v2("a/other", "100000 100000\n")
    assert usable_processors(tmp_path) == 3


@pytest.mark.parametrize("group", ["/", "/docker/abc", "/../other"])
def test_in_a_container_of_version_2(tmp_path: Path, group: str) -> None:
    """Its own group is the root of its view; old runtimes nevertheless report its path in the whole system."""
    system = System(tmp_path, f"0::{group}\n", UNIFIED.format(above=group))
    system.v2("", "250000 100000\n")
    assert usable_processors(tmp_path) == 3


@pytest.mark.parametrize(("quota", "expected"), [(200_000, 2), (150_000, 2), (5_000, 1), (-1, 40)])
@pytest.mark.parametrize(("group", "above"), [("/", "/"), ("/docker/abc", "/docker/abc"), ("/docker/abc", "/")])
def test_a_quota_of_version_1(tmp_path: Path, quota: int, expected: int, group: str, above: str) -> None:
    groups = f"12:memory:{group}\n4:cpu,cpuacct:{group}\n1:name=systemd:{group}\n0::/\n"
    system = System(tmp_path, groups, OLD.format(above=above))
    system.v1(group if above == "/" else "", quota)
    assert usable_processors(tmp_path) == expected


@pytest.mark.parametrize("groups", ["", "nonsense\n", "0::/\n"])
@pytest.mark.parametrize("mounts", ["", "nonsense\n", UNIFIED.format(above="/")])
def test_unreadable_quotas_are_ignored(tmp_path: Path, groups: str, mounts: str) -> None:
    System(tmp_path, groups, mounts)
    assert usable_processors(tmp_path) == 40


def test_other_systems_have_no_quota(tmp_path: Path) -> None:
    assert usable_processors(tmp_path) == 40


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has affinities")
def test_the_affinity_of_a_real_process() -> None:
    one = psutil.Process().cpu_affinity()[0]
    counted = subprocess.run(["taskset", "-c", str(one), *COUNT], capture_output=True, text=True, check=True)
    assert counted.stdout == "1\n"


@pytest.fixture
def group() -> Iterator[Path]:
    """A real cgroup within another."""
    outer = V1 / f"lindyn-test-{os.getpid()}"
    try:
        (outer / "inner").mkdir(parents=True)
        (outer / "cpu.cfs_quota_us").write_text("100000")
    except OSError:
        pytest.skip("no cgroups of version 1 that may be written")
    yield outer / "inner"
    (outer / "inner").rmdir()
    outer.rmdir()


def test_the_quota_of_a_real_process(group: Path) -> None:
    join = f'echo $$ > {group}/cgroup.procs && exec "$0" "$@"'
    counted = subprocess.run(["sh", "-c", join, *COUNT], capture_output=True, text=True, check=True)
    assert counted.stdout == "1\n"
