"""Code blocks of the documentation, and functions that run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.processes import PATIENCE_SECONDS, clean_environment

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    """Read a page, given its path in the repository."""
    return (ROOT / name).read_text()


def blocks(text: str, language: str) -> list[str]:
    """Find all code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def run_python(source: str, folder: Path) -> str:
    """Run Python code in a folder, with pictures off screen, and return its output."""
    return _run([sys.executable, "-c", source], folder)


def run_shell(source: str, folder: Path) -> str:
    """Run a shell script, which stops at its first error, with the commands of this environment."""
    return _run(["sh", "-eu", "-c", source], folder)


def _run(command: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(MPLBACKEND="agg", PATH=path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
