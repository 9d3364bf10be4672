"""Shapes in annotations are checked while tests run, and one BLAS thread computes, as in a worker process."""

from jaxtyping import install_import_hook

install_import_hook("lindyn_service.dynamics", "beartype.beartype")

import scipy.linalg  # noqa: E402, F401 (brings a BLAS of its own; only loaded ones are limited)
from threadpoolctl import threadpool_limits  # noqa: E402

threadpool_limits(1)
