"""Messages of `make` if it cannot do its work."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", [(2, 7), (3, 9), (3, 10)])
@pytest.mark.parametrize("target", ["install", "serve", "test"])
def test_an_old_python_has_an_error_with_the_required_version(
    tmp_path: Path, version: tuple[int, int], target: str
) -> None:
    """Before anything is installed."""
    (tmp_path / "locks").mkdir()
    for name in ("Makefile", "pyproject.toml", "locks/uv.txt", "locks/service.txt", "locks/build.txt", "locks/dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "python"
    pretend = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "{pretend}" "$@"\n')
    old.chmod(0o700)
    run = subprocess.run(
        ["make", f"PYTHON={old}", target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert run.returncode != 0
    said = run.stderr.splitlines()[0]
    assert said.startswith("lindyn needs Python 3.11 or newer")
    assert f"is Python {version[0]}.{version[1]};" in said
    assert "make PYTHON=" in said
    assert not (tmp_path / ".venv").exists()
