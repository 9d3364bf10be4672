"""Interfaces of other packages that are not public; each package is pinned to the minor version that was read.

When a test fails because a package has a new minor version, read the file named here in its source, compare it with the
modules that use it, run their tests, and then raise the version here and in pyproject.toml.
"""

import inspect
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from anyio import to_process
from anyio.lowlevel import RunVar
from packaging.requirements import Requirement
from prometheus_client import values
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]


@dataclass(frozen=True)
class Read:
    """The minor version that was read, the file in its source, and the modules of the service that rely on it."""

    minor: str
    file: str
    users: str
    beware: str


READ = {
    "anyio": Read(
        "4.16",
        "anyio/to_process.py",
        "engine/anyio_pool.py, engine/worker_pool.py, engine/cancellation.py",
        "run_sync takes the idle worker that was used last, drops workers that have ended, and waits 20 s for READY",
    ),
    "prometheus-client": Read(
        "0.26",
        "prometheus_client/values.py",
        "telemetry/metrics.py",
        "metrics call values.ValueClass when they are created, and files are named by the number it was made with",
    ),
    "uvicorn": Read(
        "0.54",
        "uvicorn/protocols/http/httptools_impl.py",
        "server/request_heads.py, server/slow_clients.py, server/upgrade_offers.py",
        "the order of callbacks of the parser, when a cycle is made, the pipeline, and the timer of idle connections",
    ),
}


@pytest.mark.parametrize("package", READ)
def test_the_version_is_the_one_that_was_read(package):
    read = READ[package]
    look = f"read {read.file} and compare {read.users}: {read.beware}"
    (requirement,) = [
        each for each in map(Requirement, PROJECT["optional-dependencies"]["service"]) if each.name == package
    ]
    major, minor = read.minor.split(".")
    assert str(requirement.specifier) == f"<{major}.{int(minor) + 1},>={read.minor}", look
    assert version(package) in requirement.specifier, f"{package} is {version(package)}, read was {read.minor}: {look}"


def test_private_names_are_there():
    assert isinstance(to_process._process_pool_workers, RunVar)
    assert isinstance(to_process._process_pool_idle_workers, RunVar)
    assert callable(values.ValueClass)
    assert [*inspect.signature(values.MultiProcessValue).parameters] == ["process_identifier"]
    for name in ("_start_asgi_task", "_unset_keepalive_if_required", "_unsupported_upgrade_warning"):
        assert callable(getattr(HttpToolsProtocol, name))
    assert [*inspect.signature(HttpToolsProtocol._start_asgi_task).parameters] == ["self", "cycle", "app"]
    assert [*inspect.signature(RequestResponseCycle).parameters] == [
        "scope",
        "transport",
        "flow",
        "logger",
        "access_logger",
        "access_log",
        "default_headers",
        "message_event",
        "expect_100_continue",
        "keep_alive",
        "on_response",
    ]
