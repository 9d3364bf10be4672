"""Settings of all tests, and the tiers that they belong to.

Shapes in annotations are checked while tests run, and one BLAS thread computes, as in a worker process. `make` checks
shapes in the tests of `dynamics` alone, since the checks would take most of the time of others.

`make test` runs the tests that have none of the markers of pyproject.toml; `make test-all` adds those that are `live`,
which start real servers, worker processes or browsers. All tests in the directories of `MARKS` have their markers by
where they are; elsewhere a module, or a test, marks itself. `tests/routes` is the exception: it starts one service
and is not `live`, so that `make test` goes through each route once.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# a change is judged on the same examples each time; other runs look for new ones; none is judged by its duration
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("elsewhere", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "elsewhere")

# a shell that starts the suite in the background has it ignore Ctrl-C, and so would every process of a test
signal.signal(signal.SIGINT, signal.default_int_handler)

install_import_hook("lindyn_service.dynamics", "beartype.beartype")

import scipy.linalg  # noqa: E402, F401 (brings a BLAS of its own; only loaded ones are limited)
from threadpoolctl import threadpool_limits  # noqa: E402

threadpool_limits(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """As many processes as there are processors that this one may use: a machine may have more than it lets us use."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return None  # as xdist has it
    return len(os.sched_getaffinity(0))


MARKS = {"live": ("live",), "explorer": ("live", "browser")}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of a directory its markers."""
    here = Path(__file__).parent
    for item in items:
        for name in MARKS.get(item.path.relative_to(here).parts[0], ()):
            item.add_marker(name)
