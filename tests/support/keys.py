"""Files of API keys, created by the command line of the service."""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import clean_environment


def key_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `lindyn-service key`."""
    command = [sys.executable, "-m", "lindyn_service", "key", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)


def bearer(key: str) -> dict[str, str]:
    """Header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


@dataclass
class KeysFile:
    """A file of hashed keys, and the keys themselves."""

    path: Path
    lines: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, scopes: str = "solve,jobs") -> str:
        """Create a key, rewrite the file, and return the key."""
        made = key_command(name, "--scopes", scopes)
        key = made.stderr.split()[-1]
        self.lines[key] = made.stdout
        self._write()
        return key

    def remove(self, key: str) -> None:
        del self.lines[key]
        self._write()

    def _write(self) -> None:
        """Replace the file atomically, as editors and orchestrators do."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text("# keys\n\n" + "".join(self.lines.values()))
        fresh.replace(self.path)


def early_in_a_window(seconds: int, room_seconds: float) -> None:
    """Wait until `room_seconds` remain of a window of the clock, since use of a key is counted per window."""
    left = seconds - time.time() % seconds
    if left < room_seconds:
        time.sleep(left)
