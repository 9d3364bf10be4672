"""Signals to stop at moments of a start that only a program can hit."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import PATIENCE_SECONDS, clean_environment

START = """
import signal
from lindyn_service.configuration import environment
from lindyn_service.server import entry, serve

{moment}

if __name__ == "__main__":
    entry.run()
"""
IN_A_CALLBACK_THAT_IGNORES_EXCEPTIONS = """
class Collected:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

load = environment.load

def load_later():
    Collected()
    return load()

environment.load = load_later
"""
IN_A_CALLBACK_THAT_CHANGES_EXCEPTIONS = """
class Field:
    def __set_name__(self, *_):
        signal.raise_signal(signal.SIGINT)

load = environment.load

def load_later():
    type("Fields", (), {"field": Field()})
    return load()

environment.load = load_later
"""
BEFORE_THE_SERVER_HANDLES_SIGNALS = """
serve_of_server = serve._Server.serve

def serve_later(*arguments):
    signal.raise_signal(signal.SIGTERM)
    return serve_of_server(*arguments)

serve._Server.serve = serve_later
"""


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "moment", [IN_A_CALLBACK_THAT_IGNORES_EXCEPTIONS, IN_A_CALLBACK_THAT_CHANGES_EXCEPTIONS], ids=["ignored", "changed"]
)
def test_a_signal_while_the_settings_are_read(tmp_path: Path, moment: str, processes: int) -> None:
    several = {"LINDYN_PROCESSES": "2", "LINDYN_REDIS_URL": f"unix://{tmp_path}/redis"} if processes > 1 else {}
    assert "Started server process" not in log_of(tmp_path, moment, **several)


def test_a_signal_just_before_the_server_handles_signals(tmp_path: Path) -> None:
    assert "Finished server process" in log_of(tmp_path, BEFORE_THE_SERVER_HANDLES_SIGNALS)


def log_of(folder: Path, moment: str, **settings: str) -> str:
    """Log of a service that a signal stops without a failure."""
    script = folder / "start.py"
    script.write_text(START.format(moment=moment))
    defaults = {"LINDYN_PORT": "0", "LINDYN_WORKERS": "1", "LINDYN_EMBEDDED_CACHE": "false"}
    run = subprocess.run(
        [sys.executable, script],
        env=clean_environment(**defaults, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert not {"Traceback", "ignored"} & set(run.stderr.replace(":", " ").split()), run.stderr
    return run.stderr
