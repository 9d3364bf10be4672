"""The sockets that the service listens on, bound before anything slow begins."""

import errno
import logging
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

from lindyn_service.configuration.settings import SettingsError

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_LOOPBACK = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}

_log = logging.getLogger("lindyn_service")


def on_tcp(host: str, port: int) -> list[socket.socket]:
    """Bind all addresses of a host that this machine has, with one port for all; that of IPv4 is the first.

    Raises:
        SettingsError: the port is taken, or the host is not of this machine.
    """
    bound: list[socket.socket] = []
    absent: list[OSError] = []  # `localhost` has an address of IPv6 on machines without it, too
    try:
        for family, _, _, _, address in sorted(set(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))):
            try:
                bound.append(_bound(family, address, bound[0].getsockname()[1] if bound else port))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                absent.append(error)
        if not bound:
            raise absent[0]
    except OSError as error:
        for one in bound:
            one.close()
        raise SettingsError(_why_not(host, port, error)) from error
    return bound


def _bound(family: int, address: tuple[Any, ...], port: int) -> socket.socket:
    one = socket.socket(family)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address[0], port, *address[2:]))
    except OSError:
        one.close()
        raise
    return one


def on_unix(path: Path) -> socket.socket:
    """Bind a unix socket; the one that a service left which ended is replaced.

    A file beside it is locked for as long as this process lives, since a socket does not tell a service that starts or
    is frozen from one that has ended.

    Raises:
        SettingsError: something else is there, or a service listens.
    """
    bound = socket.socket(socket.AF_UNIX)
    try:
        if not _lock(path.with_name(f"{path.name}.lock")):
            raise SettingsError(f"LINDYN_SOCKET: a service has {path} already; stop it, or set another path")
        if path.is_socket():
            if _listens(path):
                raise SettingsError(f"LINDYN_SOCKET: a service listens on {path} already; stop it, or set another path")
            path.unlink()
        bound.bind(str(path))
    except OSError as error:
        raise SettingsError(f"LINDYN_SOCKET: cannot listen on {path}: {error}; set another path") from error
    return bound


def _lock(path: Path) -> bool:
    """Lock a file until this process ends, however that is; tells whether nobody else has it.

    Raises:
        OSError: it cannot be made, or is something else, such as a link or a file of another user.
    """
    if sys.platform == "win32":  # pragma: no cover
        return True
    import fcntl  # noqa: PLC0415 (not on Windows)

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, "it is no file of this user", str(path))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def on_descriptor(descriptor: int) -> socket.socket:
    """Take a socket that whoever started the service handed over.

    Raises:
        SettingsError: it is none that listens.
    """
    try:
        inherited = socket.socket(fileno=descriptor)
        if inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return inherited
        inherited.detach()  # somebody else's
        problem = "a socket that does not listen"
    except OSError as error:
        problem = f"no socket ({error})"
    raise SettingsError(
        f"LINDYN_DESCRIPTOR: {descriptor} is {problem}; unset it where nobody hands a listening socket to the service"
    )


def url_of(one: socket.socket) -> str:
    """The address of a TCP socket."""
    host, port = one.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def announce(url: str) -> None:
    """Say where the service is, and what a browser on this machine should open."""
    _log.info("running on %s", url)
    for everywhere, here in _LOOPBACK.items():
        url = url.replace(everywhere, here)
    _log.info("Open %s", url)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN)  # one that is frozen listens, too


def _why_not(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno in _NOT_HERE:
        return f"LINDYN_HOST: {host} is no address of this machine ({error}); set one that is, such as 127.0.0.1"
    return (
        f"LINDYN_PORT: cannot listen on port {port} of {host}: {error}; set LINDYN_PORT to another, such as "
        f"{8001 if port == 8000 else 8000}, or to 0 for a free one"
    )
