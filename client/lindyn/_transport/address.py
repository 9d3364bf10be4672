"""Where the service is, and who asks: as given, else as the environment says. Nothing here does I/O."""

import os
import re

import httpx

from lindyn.errors import ConfigurationError

DEFAULT_URL = "http://127.0.0.1:8000"
PRIVATE_URL = "http://lindyn._local_service"
"""What a private service is called, which is reached by its socket."""

_EXAMPLES = "http://127.0.0.1:8000 or https://lab.example/lindyn"


def address(url: str | None) -> str:
    """Where the service is: as given, else LINDYN_URL, else where `make serve` has it.

    Raises:
        ConfigurationError: that is no address of HTTP.
    """
    given = "" if url is None else str(url).strip()
    name, text = ("url", given) if given else ("LINDYN_URL", os.environ.get("LINDYN_URL", "").strip())
    if not text:
        return DEFAULT_URL
    wrong = _wrong(text)
    if wrong:
        raise ConfigurationError(
            f"{name}: got {without_secrets(text)!r}, {wrong}; expected an address such as {_meant(text)}"
        )
    return text


def bearer(api_key: str | None) -> str | None:
    """The key as a header has it: as given, else LINDYN_API_KEY; blanks and ends of lines around it do not count.

    Raises:
        ConfigurationError: no header can carry it; the message does not tell the key.
    """
    if not isinstance(api_key, str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"api_key: got a {type(api_key).__name__}, expected text")
    given = (api_key or "").strip()
    name, key = ("api_key", given) if given else ("LINDYN_API_KEY", os.environ.get("LINDYN_API_KEY", "").strip())
    place = next((i for i, letter in enumerate(key) if not "!" <= letter <= "~"), None)
    if place is not None:
        raise ConfigurationError(
            f"{name}: the key has a blank, an end of line, a control character or one outside ASCII in place "
            f"{place + 1}, and no header can carry it; copy the key again, as one word"
        )
    return f"Bearer {key}" if key else None


def without_secrets(url: str) -> str:
    """An address without the name and the password that it may hold, to be shown."""
    return re.sub(r"^((?:[\w+.-]+:)?//)?.*@", r"\1***@", url)


def _wrong(url: str) -> str | None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        return "which is no address" if "@" in url else f"which is no address ({error})"
    if parsed.scheme not in ("http", "https"):
        return "which does not start with http:// or https://"
    if not parsed.host:
        return "which names no host"
    if parsed.query or parsed.fragment:
        return "which goes on after the path"
    return None if parsed.port is None or 0 < parsed.port < 2**16 else f"whose port {parsed.port} does not exist"


def _meant(url: str) -> str:
    """The same address by HTTP where only its beginning is wrong, else examples."""
    with_http = f"http://{re.sub(r'^[^/]*//', '', url)}"
    has_scheme = re.match("https?:", url, re.IGNORECASE)
    return _EXAMPLES if has_scheme or _wrong(with_http) else without_secrets(with_http)
