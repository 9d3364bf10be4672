"""The listening sockets of the service, which are bound before slower parts of its start."""

import errno
import logging
import os
import socket
import stat
import sys
from pathlib import Path

from lindyn_service.configuration.settings import SettingsError

_NOT_LOCAL = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_LOOPBACK = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}

_log = logging.getLogger("lindyn_service")


def on_tcp(host: str, port: int) -> list[socket.socket]:
    """Bind all addresses of a host on this machine to the same port, IPv4 first.

    Raises:
        SettingsError: the port is in use, or the host has no address on this machine.
    """
    bound: list[socket.socket] = []
    absent: list[OSError] = []  # `localhost` may resolve to an IPv6 address even on machines without IPv6
    try:
        for family, _, _, _, address in sorted(set(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))):
            try:
                bound.append(_bind(family, address, bound[0].getsockname()[1] if bound else port))
            except OSError as error:
                if error.errno not in _NOT_LOCAL:
                    raise
                absent.append(error)
        if not bound:
            raise absent[0]
    except OSError as error:
        for listening in bound:
            listening.close()
        raise SettingsError(_bind_message(host, port, error)) from error
    return bound


def _bind(family: int, address: tuple[str | int | bytes, ...], port: int) -> socket.socket:
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address[0], port, *address[2:]))
    except OSError:
        bound.close()
        raise
    return bound


def on_unix(path: Path) -> socket.socket:
    """Bind a unix socket, and replace the socket file of a service that has ended.

    A file beside it is locked for the lifetime of this process, since the socket alone does not show whether its
    service has ended, is starting or is suspended.

    Raises:
        SettingsError: the path is another kind of file, or a service is listening on it.
    """
    bound = socket.socket(socket.AF_UNIX)
    try:
        if not _lock(path.with_name(f"{path.name}.lock")):
            raise SettingsError(f"LINDYN_SOCKET: another service uses {path} already; stop it, or set another path")
        if path.is_socket():
            if _listens(path):
                raise SettingsError(
                    f"LINDYN_SOCKET: another service listens on {path} already; stop it, or set another path"
                )
            path.unlink()
        bound.bind(str(path))
    except OSError as error:
        raise SettingsError(f"LINDYN_SOCKET: cannot listen on {path}: {error}; set another path") from error
    return bound


def _lock(path: Path) -> bool:
    """Lock a file for the lifetime of this process, and return False if another process holds the lock.

    Raises:
        OSError: the file cannot be created, is a link or not a regular file, or belongs to another user.
    """
    if sys.platform == "win32":  # pragma: no cover
        return True
    import fcntl  # noqa: PLC0415 (not on Windows)

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, "it is not a regular file of this user", str(path))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def on_descriptor(descriptor: int) -> socket.socket:
    """Return the listening socket that the parent process has passed as a file descriptor.

    Raises:
        SettingsError: the descriptor is not a listening socket.
    """
    try:
        inherited = socket.socket(fileno=descriptor)
        if inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return inherited
        inherited.detach()  # the descriptor belongs to the parent process
        problem = "a socket that does not listen"
    except OSError as error:
        problem = f"not a socket ({error})"
    raise SettingsError(
        f"LINDYN_DESCRIPTOR: {descriptor} is {problem}; unset it unless the parent process passes a listening socket"
    )


def url_of(bound: socket.socket) -> str:
    """Return the URL of a TCP socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def announce(url: str) -> None:
    """Log the URL of the service, and the URL to open in a browser on this machine."""
    _log.info("running on %s", url)
    for wildcard, loopback in _LOOPBACK.items():
        url = url.replace(wildcard, loopback)
    _log.info("Open %s", url)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN)  # EAGAIN: the backlog of a suspended service is full


def _bind_message(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno in _NOT_LOCAL:
        return f"LINDYN_HOST: {host} is not an address of this machine ({error}); set one that is, such as 127.0.0.1"
    return (
        f"LINDYN_PORT: cannot listen on port {port} of {host}: {error}; set LINDYN_PORT to another, such as "
        f"{8001 if port == 8000 else 8000}, or to 0 for a free one"
    )
