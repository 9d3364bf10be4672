import os
import subprocess
import sys

from lindyn_service import die_with_parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", die_with_parent.__name__, *arguments]  # by its name, for the coverage
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_becomes_the_program() -> None:
    done = run(str(os.getpid()), sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "")
    assert (done.returncode, done.stdout) == (0, "['a b', '']\n")


def test_starts_nothing_when_the_parent_is_gone() -> None:
    done = run(str(os.getppid()), sys.executable, "-c", "print(1)")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is gone" in done.stderr


def test_says_that_there_is_no_program() -> None:
    done = run(str(os.getpid()), "/nowhere/valkey-server")
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
