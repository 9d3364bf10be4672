from collections.abc import Iterator

import httpx
import pytest
from support.processes import Measured
from support.service import asking


@pytest.fixture(scope="session")
def service() -> Iterator[httpx.Client]:
    """One service for all that is answered or refused as by default."""
    with asking() as client:
        yield client


@pytest.fixture(scope="session")
def small() -> Iterator[httpx.Client]:
    """Another one with small limits."""
    with asking(max_body_bytes=4000, deadline_seconds=1, queue=0, max_answer_bytes=4_000_000) as client:
        yield client


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Write a number into the test report, `--junitxml`."""
    return lambda name, value: request.node.user_properties.append((name, str(value)))
