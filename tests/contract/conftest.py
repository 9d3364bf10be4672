from collections.abc import Iterator

import httpx
import pytest
from support.processes import Measured, Service
from support.service import asking


@pytest.fixture(scope="session")
def service() -> Iterator[httpx.Client]:
    """A service with default settings."""
    with asking() as client:
        yield client


@pytest.fixture(scope="session")
def small_service() -> Iterator[Service]:
    """A service with small limits."""
    with Service(max_body_bytes=4000, queue=0, max_answer_bytes=4_000_000) as service:
        yield service


@pytest.fixture(scope="session")
def small(small_service: Service) -> Iterator[httpx.Client]:
    with small_service.client() as client:
        yield client


@pytest.fixture(scope="module")
def hurried() -> Iterator[Service]:
    """A service with a short deadline."""
    with Service(deadline_seconds=0.5) as service:
        yield service


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Write a number into the test report, `--junitxml`."""
    return lambda name, value: request.node.user_properties.append((name, str(value)))
