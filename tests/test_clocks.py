"""Deadlines, leases, breakers and rates use a monotonic clock; the wall clock is for dates that users see."""

import ast
from pathlib import Path

import lindyn_service

SERVICE = Path(lindyn_service.__file__).parent
WALL_CLOCK = {
    "jobs/store.py",  # when a job was created, started, finished; tests/jobs/test_store.py lets it jump
    "telemetry/logs.py",  # when something was logged
    "spool/store.py",  # last use of a file
    "telemetry/tracing.py",  # when a span began
}
_NAMES = {"time", "time_ns", "now", "utcnow", "today"}


def reads_the_wall_clock(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    return node.value.id in {"time", "datetime", "date"} and node.attr in _NAMES


def test_only_these_files_read_the_wall_clock():
    found = set()
    for path in SERVICE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = [
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if node.module == "time"
        ]
        assert not _NAMES & set(imported), path
        if any(map(reads_the_wall_clock, ast.walk(tree))):
            found.add(path.relative_to(SERVICE).as_posix())
    assert found == WALL_CLOCK
