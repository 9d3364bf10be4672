"""Lists of host names and of origins of web pages in settings, as requests have them in their headers."""

import re
from functools import lru_cache
from ipaddress import ip_address

from lindyn.wire.wording import shown

_HOST = r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?"
_ORIGIN = re.compile(rf"null|[a-z][a-z0-9+.-]*://({_HOST}|\[[0-9a-f:.]+\])(:[0-9]+)?")
_DEFAULT_PORT = re.compile("http://.*:80|https://.*:443")  # browsers leave it out


def split_list(text: str) -> frozenset[str]:
    """Return the elements of a setting that is a comma-separated list."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def names_of_hosts(text: str) -> str:
    """Return a list of names of hosts.

    Raises:
        ValueError: one has a scheme, a port or a path, so that the host of no request equals it.
    """
    for name in sorted(split_list(text) - {"*"}):
        if not re.fullmatch(_HOST, name) and not is_address(name):
            raise ValueError(
                f"expected names of hosts such as lab.example, or *, and {shown(name)} is none: leave out scheme, port "
                "and path, and list each name"
            )
    return text


def origins_of_pages(text: str) -> str:
    """Return a list of origins of web pages.

    Raises:
        ValueError: one has no scheme, or has a path or the default port, so that no browser sends it.
    """
    for origin in sorted(split_list(text) - {"*"}):
        if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
            raise ValueError(
                f"expected origins such as https://lab.example or http://lab.example:8080, or *, and {shown(origin)} "
                "is none: give scheme and host, the port unless it is the default one, and no path, not even /"
            )
    return text


@lru_cache(maxsize=64)
def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
