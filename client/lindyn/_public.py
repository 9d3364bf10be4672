"""Module name of public classes and functions."""

from typing import TypeVar

T = TypeVar("T")


def public(item: T) -> T:
    """Make a class or a function appear as a member of `lindyn` in tracebacks, in `help` and in pickles.

    Pickles then do not name the module that defines it, so that it can be moved.
    """
    item.__module__ = "lindyn"
    return item
