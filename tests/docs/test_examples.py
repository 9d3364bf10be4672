"""Examples run as they are."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import clean_environment

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.live
def test_first_steps(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "first_steps.py"],
        cwd=tmp_path,
        env=clean_environment(MPLBACKEND="agg"),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "lambda with the least movement of the kernel: " in run.stdout
    assert "refused with 422: network.lambda" in run.stdout
    assert (tmp_path / "out" / "first_steps.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "first_steps.nc").stat().st_size > 0
