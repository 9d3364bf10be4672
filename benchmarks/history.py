"""History of benchmark results: one line of JSON per run, appended to `benchmarks/history/NAME.jsonl`."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "history"


def record(name: str, rows: Sequence[Mapping[str, Any]], **settings: object) -> Path:
    """Append the rows of a run with its date, commit, machine and settings, and return the file."""
    line = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": machine(),
        "settings": settings,
        "rows": list(rows),
    }
    file = FOLDER / f"{name}.jsonl"
    FOLDER.mkdir(exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(line) + "\n")
    return file


def machine() -> dict[str, Any]:
    """Description of the machine that the results depend on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Model of the processor on Linux, otherwise its architecture."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _git(*arguments: str) -> str:
    """Output of a git command; empty without a repository."""
    process = subprocess.run(["git", *arguments], cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    return process.stdout.strip()
