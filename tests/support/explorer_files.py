"""Files that users open in the explorer, and the matrices that it reads from them."""

import base64
import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Page


def archive(save=np.savez, **arrays) -> bytes:
    """Write an npz archive of arrays."""
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def as_csv(matrix, separator=",") -> str:
    """Write a table without column names, in all digits."""
    return "\n".join(separator.join(map(repr, row)) for row in np.asarray(matrix).tolist())


def choose(page: Page, selector: str, name: str, content: bytes) -> None:
    """Choose a file in a dialog."""
    page.set_input_files(selector, {"name": name, "mimeType": "application/octet-stream", "buffer": content})


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    """Drop files on the page, with the events of a file manager."""
    transfer = page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name));
            return transfer;
        }""",
        [[name, list(content)] for name, content in files],
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    assert page.locator("#drop").is_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    assert page.locator("#drop").is_hidden()


def matrices(page: Page) -> dict[str, np.ndarray]:
    """Decode the matrices of the page, in all bits, from its link: `data`, or `W1`, `W2`, …"""
    page.click("#share")
    parameters = parse_qs(urlsplit(page.evaluate("location.href")).fragment)
    arrays = {}
    for name, (text,) in parameters.items():
        if name == "data" or (name[0] == "W" and name[1:].isdigit()):
            shape, _, coded = text.partition(".")
            raw = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
            arrays[name] = np.frombuffer(raw).reshape([int(size) for size in shape.split("x")])
    return arrays
