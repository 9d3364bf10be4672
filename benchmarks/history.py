"""The history of a benchmark: one line of JSON for each run that is recorded."""

import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).with_name("history")


def record(name: str, rows: list[dict[str, object]]) -> None:
    """Append a run to `history/<name>.jsonl`, with its date, commit and machine."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    line = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": _machine(),
        "rows": rows,
    }
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _machine() -> str:
    """The processor and how many there are, never the name of the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (
        f"{models[0] if models else platform.machine()}, {len(models) or '?'} cores, Python {platform.python_version()}"
    )
