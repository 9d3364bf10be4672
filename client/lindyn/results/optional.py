"""Optional libraries, which are imported by the methods that need them."""

from importlib import import_module
from types import ModuleType

from lindyn._install_hint import how_to_install
from lindyn.errors import MissingLibraryError


def library(name: str, purpose: str) -> ModuleType:
    """Import a library of the extra `notebook`.

    Args:
        name: the module.
        purpose: the use of the library, as the subject of a sentence.

    Raises:
        MissingLibraryError: the library is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingLibraryError(
            f"{purpose} needs {package}, which is not installed; {how_to_install('notebook')}"
        ) from error
