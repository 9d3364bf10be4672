"""Static types of the client: quantities by name, and errors for names that do not exist."""

import json
import subprocess
import sys
from pathlib import Path

from lindyn.wire.trajectory import QUANTITIES

KINDS = {
    "weights": "list[FloatArray]",
    "balance": "Mapping[str, FloatArray]",
    "alignment": "Mapping[str, FloatArray]",
    "task_specificity": "Mapping[str, FloatArray]",
}

PROGRAM = """\
from collections.abc import Mapping

import lindyn
from lindyn import FloatArray


def quantities(t: lindyn.Trajectory) -> None:
{uses}
    item: FloatArray = t["loss"]
    print(item)


def mistyped(t: lindyn.Trajectory) -> None:
    print(t.lose)
"""


def check(folder: Path, program: str) -> list[tuple[int, str]]:
    """Lines and rules of the errors that pyright finds in a strictly typed program."""
    (folder / "program.py").write_text(program)
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["program.py"]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    found = json.loads(ended.stdout)["generalDiagnostics"]
    return [(each["range"]["start"]["line"], each.get("rule", each["message"])) for each in found]


def test_mistyped_quantities_are_errors_and_others_are_arrays(tmp_path):
    uses = [f"    {name}: {KINDS.get(name, 'FloatArray')} = t.{name}\n    print({name})" for name in QUANTITIES]
    program = PROGRAM.format(uses="\n".join(uses))
    mistyped = program.splitlines().index("    print(t.lose)")
    errors = check(tmp_path, program)
    assert ("reportAttributeAccessIssue" in {rule for _, rule in errors}, {line for line, _ in errors}) == (
        True,
        {mistyped},
    )
