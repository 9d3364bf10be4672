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
    """A page in its own browser context, without console errors and without requests to other hosts."""
    page = Explorer(browser, service.url)
    yield page
    page.close()
    assert_clean(page)


@pytest.fixture(scope="module")
def tab(service, browser):
    page = Explorer(browser, service.url)
    yield page
    page.close()


@pytest.fixture
def reloaded(tab):
    """One page for a module of many cases, loaded again for each: half the work of a new browser context."""
    tab.forget()
    yield tab
    tab.leave()
    assert_clean(tab)


def assert_clean(page):
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith((page.url, "blob:", "data:"))] == []


@pytest.fixture
def free_port():
    """A port that a service can use again after it was killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
