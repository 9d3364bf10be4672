"""The proxy to an address, from environment variables. Nothing here does I/O."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.request import getproxies

import httpx

from lindyn._transport.address import without_secrets
from lindyn.errors import ConfigurationError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy and the variable that names it.

    Attributes:
        variable: name of the variable, as spelled in the environment.
        url: address of the proxy, which may contain a password.
        host: host of the service, for the remedy.
    """

    variable: str
    url: str = field(repr=False)
    host: str

    @property
    def shown(self) -> str:
        """The setting without secrets, for messages."""
        return f"{self.variable}={without_secrets(self.url)}"

    @property
    def remedy(self) -> str:
        """The remedy for a proxy that does not lead to the service."""
        return f"correct or unset {self.variable}, or exclude the service by NO_PROXY={self.host}"


def proxy_to(url: str) -> Proxy | None:
    """Return the proxy to a service, or None for this machine and for hosts that NO_PROXY excludes.

    Raises:
        ConfigurationError: the proxy cannot be used; the message names the variable.
    """
    target = httpx.URL(url)
    settings = getproxies()  # includes the settings of Windows and macOS
    if _is_this_machine(target.host) or _is_excluded(target, settings.get("no", "")):
        return None
    scheme = next((scheme for scheme in (target.scheme, "all") if settings.get(scheme, "").strip()), None)
    if scheme is None:
        return None
    setting = settings[scheme].strip()
    proxy = Proxy(_variable(scheme), setting if "://" in setting else f"http://{setting}", target.host)
    defect = _defect(proxy.url)
    if defect:
        raise ConfigurationError(f"{proxy.shown} {defect}; {proxy.remedy}")
    return proxy


def _defect(url: str) -> str | None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "is no address; that of an IPv6 host needs brackets, and ports are numbers"
    if parsed.scheme not in _SCHEMES:
        return f"has an unsupported scheme; supported are {', '.join(f'{scheme}://' for scheme in _SCHEMES)}"
    if not parsed.host or (parsed.port is not None and not 0 < parsed.port < 2**16):
        return "names no host, or a port that does not exist"
    if parsed.scheme.startswith("socks") and find_spec("socksio") is None:
        return "is a SOCKS proxy, which needs another package: pip install 'httpx[socks]'"
    return None


def _variable(scheme: str) -> str:
    name = f"{scheme}_proxy"
    spellings = [each for each, value in os.environ.items() if each.lower() == name and value]
    return name if name in spellings else next(iter(spellings), f"the system's {name}")


def _is_this_machine(host: str) -> bool:
    name = host.rstrip(".").lower()
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(each.is_loopback or each.is_unspecified for each in (address, mapped) if each is not None)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    with suppress(ValueError):
        return ip_address(host.strip("[]"))
    return None


def _is_excluded(target: httpx.URL, no_proxy: str) -> bool:
    return any(_matches(target, entry.strip().lower()) for entry in no_proxy.replace(" ", ",").split(",") if entry)


def _matches(target: httpx.URL, entry: str) -> bool:
    """Return whether an entry of NO_PROXY applies: `*`, a domain, an address or a network, perhaps with a port."""
    scheme, _, rest = entry.rpartition("://")
    name, port = _with_port(rest)
    if scheme not in ("", "all", target.scheme) or port not in (None, target.port or _PORTS[target.scheme]):
        return False
    if name == "*":
        return True
    with suppress(ValueError):
        network, address = ip_network(name, strict=False), _address(target.host)
        return address is not None and address in network
    name, host = name.lstrip("*.").rstrip("."), target.host.rstrip(".").lower()
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _with_port(entry: str) -> tuple[str, int | None]:
    """Split an entry into a name and a port, if it has one; IPv6 addresses contain colons, too."""
    name, _, port = entry.rpartition(":")
    if name and ":" not in name.partition("]")[2] and (":" not in name or name.endswith("]")) and port.isdecimal():
        return name.strip("[]"), int(port)
    return entry.replace("[", "").replace("]", ""), None
