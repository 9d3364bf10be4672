"""The command line interface: `lindyn serve | solve | sweep | fit | experiment | plot | openapi`."""

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from lindyn import _endpoints, plots
from lindyn._client import Client
from lindyn._command_files import (
    USAGE,
    Destination,
    checked,
    checked_input,
    destination,
    fail,
    overrides,
    read_request,
)
from lindyn._jobs import JobHandle
from lindyn.errors import ConfigurationError, LindynError
from lindyn.results.fit import Fit
from lindyn.results.load import load
from lindyn.results.optional import library
from lindyn.results.sweep import SweepResult
from lindyn.results.trajectory import Trajectory

app = typer.Typer(
    help="Exact learning dynamics of deep linear networks.",
    epilog="Exit codes: 0 done; 1 the service refused, failed or cannot be reached; 2 the command line, a file or a "
    "variable of the environment is wrong; 130 Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PICTURES = (".pdf", ".svg", ".png")

Url = Annotated[
    str | None, typer.Option(help="Address of a running service; by default LINDYN_URL, else a private service.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="File for the result: .npz, .nc, .json, .csv or .mat; - writes to standard output. By default a summary "
        "on a terminal, and JSON in a pipe.",
    ),
]
Format = Annotated[str | None, typer.Option("--format", help="Format on standard output: json or csv.")]
RequestFile = Annotated[typer.FileBinaryRead, typer.Argument(help="The request as JSON; - reads standard input.")]


class _FileClient(Client):
    """A client that sends requests as files have them, so that the service checks all of their fields."""

    def solve(self, document: Mapping[str, object]) -> Trajectory:
        return self._sender.send(_endpoints.trajectory_document(document))

    def start_sweep(self, document: Mapping[str, object]) -> JobHandle[Any]:
        return self._job(_endpoints.sweep_document(document))

    def start_fit(self, document: Mapping[str, object]) -> JobHandle[Any]:
        return self._job(_endpoints.fit_document(document))


def main() -> None:
    """Run a command; an error of the service, of the system or in the address ends it with its message."""
    try:
        app()
    except ConfigurationError as error:
        typer.echo(f"lindyn: {error}", err=True)
        sys.exit(USAGE)
    except (LindynError, OSError) as error:
        sys.exit(f"lindyn: {error}")


def _print_version(wanted: bool) -> None:
    if wanted:
        from lindyn import __version__  # noqa: PLC0415 (slow to look up)

        typer.echo(f"lindyn {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Exact learning dynamics of deep linear networks."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port to listen on.")] = None,
) -> None:
    """Start the service; LINDYN_* variables hold all other settings."""
    options = {"LINDYN_HOST": host, "LINDYN_PORT": None if port is None else str(port)}
    environment = {**os.environ, **{name: value for name, value in options.items() if value is not None}}
    # -P: a file in the working folder, such as queue.py, must not shadow a module of the standard library
    os.execve(sys.executable, [sys.executable, "-P", "-m", "lindyn_service"], environment)  # noqa: S606 (no shell is needed)


@app.command()
def solve(request: RequestFile, output: Output = None, form: Format = None, url: Url = None) -> None:
    """Compute a trajectory."""
    target, document = destination(output, form, Trajectory.formats), read_request(request)
    with _client(url) as client:
        trajectory = client.solve(document)
    target.write(trajectory)


@app.command()
def sweep(request: RequestFile, output: Output = None, form: Format = None, url: Url = None) -> None:
    """Compute trajectories at every point of a grid, with a progress bar."""
    target, document = destination(output, form, SweepResult.formats), read_request(request)
    with _client(url) as client:
        _finish(client.start_sweep(document), target)


@app.command()
def fit(request: RequestFile, output: Output = None, form: Format = None, url: Url = None) -> None:
    """Estimate parameters from observed curves and compare models, with a progress bar."""
    target, document = destination(output, form, Fit.formats), read_request(request)
    with _client(url) as client:
        _finish(client.start_fit(document), target)


@app.command()
def experiment(
    name: Annotated[
        str | None, typer.Argument(help="figure-3.1 ... figure-4.8; without a name, list all experiments.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Override a parameter: name=JSON, several times.")
    ] = None,
    output: Output = None,
    form: Format = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", "-f", help="File for the picture: .svg, .png or .pdf.")
    ] = None,
    url: Url = None,
) -> None:
    """Run an experiment of the thesis, with a progress bar."""
    target, parameters = destination(output, form, SweepResult.formats), overrides(parameter or [])
    picture = None if figure is None else checked(figure, _PICTURES)
    with _client(url) as client:
        if name is None:
            for each in client.experiments().values():
                typer.echo(f"{each.name:20} {each.title}")
            return
        _finish(client.experiment(name, **parameters), target, picture)


@app.command()
def plot(
    result: Annotated[Path, typer.Argument(help="A result: .npz, .nc or .json.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File for the picture: .pdf, .svg or .png; by default RESULT with .pdf."),
    ] = None,
    quantity: Annotated[
        str | None,
        typer.Option(
            "--quantity", "-q", help="The array to draw, by default the loss or the first one; of a fit, the model."
        ),
    ] = None,
    style: Annotated[str | None, typer.Option("--style", help="paper or slides.")] = None,
) -> None:
    """Draw a result that -o or `save` has written."""
    found, target = checked_input(result), checked(output or result.with_suffix(".pdf"), _PICTURES)
    library("matplotlib", "plotting").use("agg")
    with ExitStack() as stack:
        try:
            if style is not None:
                stack.enter_context(plots.style(style))  # pyright: ignore[reportArgumentType] (it checks the name)
            drawn: Any = load(found).plot(quantity)
        except (ValueError, KeyError) as error:  # of the file, or of the names of arrays
            fail(str(error))
        drawn.figure.savefig(target)  # a figure is its own one
    typer.echo(str(target))


@app.command()
def openapi(url: Url = None) -> None:
    """Print the OpenAPI document of the service."""
    with _client(url) as client:
        typer.echo(json.dumps(client.openapi(), indent=2))


@contextmanager
def _client(url: str | None) -> Generator[_FileClient]:
    has_address = url or os.environ.get("LINDYN_URL", "").strip()
    with _FileClient(url) if has_address else _FileClient.local() as client:
        yield client


def _finish(job: JobHandle[SweepResult | Fit], target: Destination, picture: Path | None = None) -> None:
    """Wait for a job with a progress bar, and write its result and its picture; Ctrl-C cancels the job."""
    try:
        result = job.result(progress=True)
    except KeyboardInterrupt:
        job.cancel()
        typer.echo(f"lindyn: cancelled job {job.id}", err=True)
        raise
    if picture is not None:
        picture.write_bytes(job.figure(picture.suffix.removeprefix(".")))  # pyright: ignore[reportArgumentType] (checked)
    target.write(result)
