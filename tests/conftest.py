"""Shapes in annotations are checked while tests run; worker processes and the product itself never pay for that."""

from jaxtyping import install_import_hook

install_import_hook("lindyn_service.dynamics", "beartype.beartype")
