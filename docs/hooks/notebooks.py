"""Runs the notebooks, and makes a page of each: text, code, and what it shows. Fails where one fails, warns, or shows
no picture.

nbconvert would bring its own styles, and scripts from elsewhere.
"""

import base64
import re
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient

NOTEBOOKS = Path("notebooks")
LONGEST_CELL_SECONDS = 300


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page and its pictures for each notebook."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook: Any = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=LONGEST_CELL_SECONDS, kernel_name="python3").execute()
        page, pictures = converted(notebook, path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    return files


def converted(notebook: nbformat.NotebookNode, stem: str) -> tuple[str, dict[str, bytes]]:
    """The page as Markdown, and its pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{stem}_{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![{_caption(cell.source)}]({name})")
            elif "text/html" in data:
                parts.append(f"<div markdown='0'>{_in_one_piece(data['text/html'])}</div>")
            elif output.get("name") == "stderr":  # progress bars
                if "Warning" in output["text"]:
                    raise PluginError(f"{stem}.ipynb warns: {output['text']}")
            else:
                text = data.get("text/plain", output.get("text", ""))
                parts.append(f"```text\n{text.rstrip()}\n```")
    if not pictures:
        raise PluginError(f"{stem}.ipynb shows no picture")
    return "\n\n".join(parts) + "\n", pictures


def _caption(source: str) -> str:
    """What a picture shows, for those who cannot see it: the calls that drew it."""
    drawn = re.findall(r"\.plot\.(\w+)\(|set\(.*?ylabel=\"([^\"]+)\"", source)
    return "Picture of " + ", ".join(dict.fromkeys(name or label for name, label in drawn))


def _in_one_piece(html: str) -> str:
    """Markdown ends raw HTML at an empty line."""
    return "\n".join(line for line in html.splitlines() if line.strip())
