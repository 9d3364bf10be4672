import socket

import pytest
from support.browser import Explorer, chromium
from support.processes import Service


@pytest.fixture(scope="session")
def service():
    with Service(tcp=True, workers=2, embedded_cache=True) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def explorer(service, browser):
    """A page that must not complain, nor ask anybody else."""
    page = Explorer(browser, service.url)
    yield page
    page.close()
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith((service.url, "blob:", "data:"))] == []


@pytest.fixture
def free_port():
    """A port that a service can take again after it was killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
