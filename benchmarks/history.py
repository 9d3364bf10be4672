"""Figures of benchmarks, kept: one line of JSON for each run, appended to `benchmarks/history/NAME.jsonl`."""

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
    """Append the rows of a run with its date, commit, machine and settings; returns the file."""
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
    """What the figures depend on, as far as it is known."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Its model as Linux knows it, else its kind."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _git(*arguments: str) -> str:
    """What git says, or nothing without a repository."""
    asked = subprocess.run(["git", *arguments], cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    return asked.stdout.strip()
