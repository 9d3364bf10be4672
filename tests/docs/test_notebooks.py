"""The notebooks run from start to end, against a real service, and are stored without what they print."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONGEST_CELL_SECONDS = 120

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_are_five() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@every_notebook
def test_it_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert all(cell.get("execution_count") is None for cell in notebook.cells)
    assert not re.search(r"/(tmp|root|home|work|usr)/|127\.0\.0\.1:\d", path.read_text())


@pytest.mark.live
@pytest.mark.notebooks
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")
@every_notebook
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LINDYN_URL", "LINDYN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    notebook: Any = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=LONGEST_CELL_SECONDS, kernel_name="python3").execute()
    shown = outputs(notebook)
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output["output_type"] == "error"]
    said = "".join(output["text"] for output in shown if output.get("name") == "stderr")
    assert "Warning" not in said
    assert not re.search(
        r"/(tmp|root|home|work)/", json.dumps([output.get("data", {}).get("text/html") for output in shown])
    )
