from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest
from support.processes import Measured, RedisServer, eventually


@pytest.fixture(autouse=True, scope="module")
def no_process_left() -> Iterator[None]:
    """Check that no module leaves a child process behind."""
    before = len(psutil.Process().children())
    yield
    eventually(lambda: len(psutil.Process().children()) <= before)


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Write a number into the test report, `--junitxml`."""
    return lambda name, value: request.node.user_properties.append((name, str(value)))


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """An exit stack for processes that end with the test."""
    with ExitStack() as stack:
        yield stack
