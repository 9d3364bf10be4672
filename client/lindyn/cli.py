"""The command line interface: `lindyn serve | solve | sweep | fit | experiment | openapi`."""

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lindyn._client import Client
from lindyn._endpoints import Document
from lindyn._jobs import JobHandle
from lindyn.errors import LindynError
from lindyn.results.fit import Fit
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Trajectory

app = typer.Typer(
    help="Exact learning dynamics of deep linear networks.", no_args_is_help=True, pretty_exceptions_enable=False
)

Url = Annotated[
    str | None, typer.Option(help="Address of a running service; by default LINDYN_URL, else a private service.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File for the result: .npz, .nc or .json.")]
RequestFile = Annotated[typer.FileBinaryRead, typer.Argument(help="The request as JSON; - reads standard input.")]


def main() -> None:
    """Run a command; an error of the service ends it with the message of the error."""
    try:
        app()
    except LindynError as error:
        sys.exit(f"lindyn: {error}")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port to listen on.")] = None,
) -> None:
    """Start the service; LINDYN_* variables hold all other settings."""
    options = {"LINDYN_HOST": host, "LINDYN_PORT": None if port is None else str(port)}
    environment = {**os.environ, **{name: value for name, value in options.items() if value is not None}}
    # -P: a file in the working folder, such as queue.py, must not shadow a module of the standard library
    os.execve(sys.executable, [sys.executable, "-P", "-m", "lindyn_service"], environment)  # noqa: S606 (no shell is needed)


@app.command()
def solve(request: RequestFile, output: Output = None, url: Url = None) -> None:
    """Compute a trajectory."""
    with _client(url) as client:
        trajectory = client.trajectory(**_document(request))
    if output is None:
        typer.echo(repr(trajectory))
        return
    _write(output, trajectory)


@app.command()
def sweep(request: RequestFile, output: Output = None, url: Url = None) -> None:
    """Compute trajectories at every point of a grid, with a progress bar."""
    document = _document(request)
    document["axes"] = {axis["path"]: axis["values"] for axis in document["axes"]}
    with _client(url) as client:
        _finish(client.sweep(**document), output, None)


@app.command()
def fit(request: RequestFile, output: Output = None, url: Url = None) -> None:
    """Estimate parameters from observed curves and compare models, with a progress bar."""
    with _client(url) as client:
        _finish(client.fit(**_document(request)), output, None)


@app.command()
def experiment(
    name: Annotated[
        str | None, typer.Argument(help="figure-3.1 ... figure-4.8; without a name, list all experiments.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Override a parameter: name=JSON, several times.")
    ] = None,
    output: Output = None,
    figure: Annotated[Path | None, typer.Option("--figure", "-f", help="File for the picture: .svg or .png.")] = None,
    url: Url = None,
) -> None:
    """Run an experiment of the thesis, with a progress bar."""
    with _client(url) as client:
        if name is None:
            for each in client.experiments().values():
                typer.echo(f"{each.name:20} {each.title}")
            return
        _finish(client.experiment(name, **_overrides(parameter or [])), output, figure)


@app.command()
def openapi(url: Url = None) -> None:
    """Print the OpenAPI document of the service."""
    with _client(url) as client:
        typer.echo(json.dumps(client.openapi(), indent=2))


@contextmanager
def _client(url: str | None) -> Generator[Client]:
    has_address = url or os.environ.get("LINDYN_URL", "").strip()
    with Client(url) if has_address else Client.local() as client:
        yield client


def _document(request: typer.FileBinaryRead) -> Document:
    try:
        document = json.loads(request.read())  # json detects UTF-16, which Windows writes, from the bytes
    except ValueError as error:
        sys.exit(f"lindyn: {request.name} is not JSON: {error}")
    if not isinstance(document, dict):
        sys.exit(f"lindyn: {request.name} holds a {type(document).__name__}, expected an object")
    return document  # pyright: ignore[reportUnknownVariableType] (JSON)


def _overrides(options: list[str]) -> Document:
    overrides: Document = {}
    for option in options:
        name, _, value = option.partition("=")
        try:
            overrides[name] = json.loads(value)
        except ValueError:
            sys.exit(f"lindyn: got -p {option!r}, expected name=JSON, such as -p trials=10")
    return overrides


def _finish(job: JobHandle[SweepResult | Fit], output: Path | None, figure: Path | None) -> None:
    """Wait for a job with a progress bar, and write its result and its picture; Ctrl-C cancels the job."""
    try:
        result = job.result(progress=True)
    except KeyboardInterrupt:
        job.cancel()
        sys.exit(f"lindyn: cancelled job {job.id}")
    if figure is not None:
        figure.write_bytes(job.figure("png" if figure.suffix == ".png" else "svg"))
    if output is None:
        typer.echo(repr(result))
        return
    _write(output, result)


def _write(output: Path, result: Trajectory | SweepResult | Fit) -> None:
    """Write a result as JSON, or in the formats of its method `save`."""
    if output.suffix != ".json":
        result.save(output)
        return
    if isinstance(result, Fit):
        document = result.document
    elif isinstance(result, Trajectory):
        document = {**result.metadata, "times": result.times, "quantities": dict(result.quantities)}
    else:
        data = {name: {"dims": dims, "values": result.data[name]} for name, dims in result.dims.items()}
        document = {**result.metadata, "coordinates": dict(result.coordinates), "data": data}
    output.write_text(json.dumps(document, default=lambda array: array.tolist()))
