"""Shapes in annotations are checked while tests run, and one BLAS thread computes, as in a worker process."""

import os
import signal

from hypothesis import settings
from jaxtyping import install_import_hook

# a change is judged on the same examples each time; other runs look for new ones
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# a shell that starts the suite in the background has it ignore Ctrl-C, and so would every process of a test
signal.signal(signal.SIGINT, signal.default_int_handler)

install_import_hook("lindyn_service.dynamics", "beartype.beartype")

import scipy.linalg  # noqa: E402, F401 (brings a BLAS of its own; only loaded ones are limited)
from threadpoolctl import threadpool_limits  # noqa: E402

threadpool_limits(1)
