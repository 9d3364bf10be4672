"""Files and standard streams of the command line."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from lindyn._endpoints import Document
from lindyn.errors import ArgumentError, MissingLibraryError
from lindyn.results.files import Saved, require_writable
from lindyn.results.io import READABLE, unknown_format
from lindyn.wire.json_text import RepeatedFieldError, unique_fields

USAGE = 2
"""Exit code if the command line, a file that it names or a variable of the environment is wrong.

The shell's own commands have the same.
"""

_STDOUT = Path("-")
_TEXTS = (".json", ".csv")


@dataclass(frozen=True)
class Destination:
    """A file for a result, or standard output in a format; both are None for a summary on a terminal."""

    path: Path | None
    form: str | None

    def write(self, result: Saved) -> None:
        """Write a result."""
        if self.path is not None:
            result.save(self.path)
        elif self.form is None:
            typer.echo(repr(result))
        else:
            sys.stdout.buffer.write(result.to_bytes(self.form).rstrip(b"\n") + b"\n")
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] (None if it was closed by the caller)
            sys.stdout.flush()  # here, where a pipe that was closed by its reader is no error


def destination(output: Path | None, form: str | None, formats: Sequence[str]) -> Destination:
    """Check where a result goes before it is computed.

    Args:
        output: a file, `-` for standard output, or None for a terminal's summary or a pipe's JSON.
        form: format on standard output, `json` or `csv`.
        formats: endings of the names of files for this kind of result.
    """
    suffix = None if form is None else f".{form.lower()}"
    if suffix is not None and suffix not in _TEXTS:
        fail(f"--format: got {form!r}, expected json or csv")
    if output is None or output == _STDOUT:
        if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (closed by the caller)
            fail("standard output is closed; name a file with -o")
        is_summary = output is None and suffix is None and sys.stdout.isatty()
        return Destination(None, None if is_summary else suffix or ".json")
    if suffix is not None:
        fail(f"--format is for standard output; the name of the file, {output}, decides its format")
    checked(output, formats)
    return Destination(output, None)


def checked(path: Path, formats: Sequence[str]) -> Path:
    """Return the path of a file that can be written, or end with a message."""
    try:
        require_writable(path, formats)
        target = path if path.exists() else path.parent
    except (ArgumentError, MissingLibraryError, OSError) as error:  # of the system: the name is too long, for instance
        fail(str(error))
    if path.is_dir() or not os.access(target, os.W_OK):
        fail(f"{path}: cannot be written")
    return path


def checked_input(path: Path) -> Path:
    """Return the path of a result, or end with a message."""
    if path.suffix not in READABLE:
        fail(str(unknown_format(path, READABLE)))
    if not path.is_file():
        fail(f"{path}: there is no such file")
    return path


def read_request(file: typer.FileBinaryRead) -> Document:
    """Read a request as JSON, or end with a message."""
    try:
        # json detects UTF-16, which Windows writes, from the bytes
        document: object = json.loads(file.read(), object_pairs_hook=unique_fields)
    except RepeatedFieldError as error:
        fail(f"{file.name}: {error}")
    except ValueError as error:
        fail(f"{file.name} is not JSON: {error}")
    except RecursionError:
        fail(f"{file.name} has too many lists or objects inside each other")
    if not isinstance(document, dict):
        fail(f"{file.name} holds a {type(document).__name__}, expected an object")
    return document  # pyright: ignore[reportUnknownVariableType] (JSON)


def overrides(options: Sequence[str]) -> Document:
    """Read parameters of the form name=JSON, or end with a message."""
    found: Document = {}
    for option in options:
        name, _, value = option.partition("=")
        if name in found:
            fail(f"got -p {name}=... twice; give each parameter once")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            fail(f"got -p {option!r}, expected name=JSON, such as -p trials=10")
    return found


def fail(message: str) -> NoReturn:
    """End with a message about the command line."""
    typer.echo(f"lindyn: {message}", err=True)
    raise typer.Exit(USAGE)
