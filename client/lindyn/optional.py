"""Libraries that only some methods need, loaded by those."""

from importlib import import_module
from typing import Any

from lindyn.errors import MissingLibraryError
from lindyn.extras import how_to_install


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
