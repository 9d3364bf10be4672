"""Shapes in annotations are checked while tests run, and one BLAS thread computes, as in a worker process."""

import os
import signal

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
