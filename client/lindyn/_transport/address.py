"""The address of the service and the key, from arguments or environment variables. Nothing here does I/O."""

import os
import re
from math import isfinite
from numbers import Real

import httpx

from lindyn.errors import ConfigurationError

DEFAULT_URL = "http://127.0.0.1:8000"
PRIVATE_URL = "http://lindyn.local"
"""Nominal address of a private service, which is reached through its socket."""

_EXAMPLES = "http://127.0.0.1:8000 or https://lab.example/lindyn"


def require_seconds(argument: str, value: float, *, above: float | None = None) -> None:
    """Check a number of seconds.

    Raises:
        ConfigurationError: it is no finite number, is negative, or is not above a bound.
    """
    least = 0.0 if above is None else above
    if not isinstance(value, Real) or not isfinite(value) or value < least or value == above:
        expected = "of at least 0" if above is None else f"above {above:g}"
        raise ConfigurationError(f"{argument}: got {value!r}, expected a number of seconds {expected}")


def address(url: str | None) -> str:
    """Return the address of the service: the argument, else LINDYN_URL, else the default of `make serve`.

    Raises:
        ConfigurationError: it is no HTTP address.
    """
    argument = "" if url is None else str(url).strip()
    source, text = ("url", argument) if argument else ("LINDYN_URL", os.environ.get("LINDYN_URL", "").strip())
    if not text:
        return DEFAULT_URL
    defect = _defect(text)
    if defect:
        raise ConfigurationError(
            f"{source}: got {without_secrets(text)!r}, {defect}; expected an address such as {_suggestion(text)}"
        )
    return text


def bearer(api_key: str | None) -> str | None:
    """Return the Authorization header for a key: the argument, else LINDYN_API_KEY, without surrounding white space.

    Raises:
        ConfigurationError: no header can carry the key; the message does not contain it.
    """
    if not isinstance(api_key, str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"api_key: got a {type(api_key).__name__}, expected text")
    argument = (api_key or "").strip()
    source, key = (
        ("api_key", argument) if argument else ("LINDYN_API_KEY", os.environ.get("LINDYN_API_KEY", "").strip())
    )
    index = next((i for i, letter in enumerate(key) if not "!" <= letter <= "~"), None)
    if index is not None:
        raise ConfigurationError(
            f"{source}: the key has a blank, an end of line, a control character or one outside ASCII at position "
            f"{index + 1}, and no header can carry it; copy the key again, as one word"
        )
    return f"Bearer {key}" if key else None


def without_secrets(url: str) -> str:
    """Replace the name and the password in an address, for messages."""
    return re.sub(r"^((?:[\w+.-]+:)?//)?.*@", r"\1***@", url)


def _defect(url: str) -> str | None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        return "which is no address" if "@" in url else f"which is no address ({error})"
    if parsed.scheme not in ("http", "https"):
        return "which does not start with http:// or https://"
    if not parsed.host:
        return "which names no host"
    if "%20" in parsed.host:  # httpx encodes blanks
        return "whose host has a blank"
    if parsed.query or parsed.fragment:
        return "which has a query or a fragment"
    return None if parsed.port is None or 0 < parsed.port < 2**16 else f"whose port {parsed.port} does not exist"


def _suggestion(url: str) -> str:
    """Return the address with http:// if that makes it valid, else examples."""
    with_http = f"http://{re.sub(r'^[^/]*//', '', url)}"
    has_scheme = re.match("https?:", url, re.IGNORECASE)
    return _EXAMPLES if has_scheme or _defect(with_http) else without_secrets(with_http)
