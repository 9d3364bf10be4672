"""Libraries that only some methods need, loaded by those."""

from importlib import import_module
from typing import Any

from lindyn._install_hint import how_to_install
from lindyn.errors import MissingLibraryError


def library(name: str, purpose: str) -> Any:  # noqa: ANN401 (a module)
    """Import a library of the extra `notebook`.

    Args:
        name: what is imported.
        purpose: what it is needed for, as the subject of a sentence.

    Raises:
        MissingLibraryError: it is not installed; says what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingLibraryError(
            f"{purpose} needs {package}, which is not installed; {how_to_install('notebook')}"
        ) from error
