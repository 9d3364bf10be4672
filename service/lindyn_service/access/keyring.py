"""The API keys of a file, which is read again when it changes."""

import hmac
import logging
import os
import stat
import time
from pathlib import Path

from lindyn_service.access.keys import Caller, Entry, KeysError, digest_of, parse

CHECK_SECONDS = 1.0
MAX_BYTES = 2**20  # some ten thousand keys, which are read within some ten milliseconds

_Version = tuple[int, int, int]

log = logging.getLogger(__name__)


class Keyring:
    """Identifies callers by their API keys.

    The file is checked for changes once a second. While it is missing or invalid, the keys that were read last remain
    valid, and the problem is logged.

    Raises:
        KeysError: the file cannot be used at start-up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version, self._entries = _load(path)
        self._check_at = time.monotonic() + CHECK_SECONDS

    def find(self, key: str) -> Caller | None:
        """Return the caller that owns the key, or None. The time taken does not depend on whether the key is valid."""
        self._refresh()
        digest = digest_of(key)
        caller: Caller | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest or b""):
                caller = entry.caller
        return caller

    def _refresh(self) -> None:
        if time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + CHECK_SECONDS
        try:
            if _version(self._path.stat()) != self._version:
                self._version, self._entries = _load(self._path)
                log.warning("read %d API keys from %s", len(self._entries), self._path)
        except (KeysError, OSError) as error:
            log.error("the API keys that were read last remain valid: %s", error)


def _version(status: os.stat_result) -> _Version:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a writer, which a pipe would do, and with it all requests."""
    return os.open(path, flags | os.O_NONBLOCK)


def _load(path: Path) -> tuple[_Version, tuple[Entry, ...]]:
    try:
        with open(path, encoding="utf-8-sig", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeysError("it is not a regular file; write the lines into one")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise KeysError("users other than its owner may write to it; run chmod go-w on it")
            if status.st_size > MAX_BYTES:
                raise KeysError(f"it has {status.st_size} bytes, the limit is {MAX_BYTES}; remove keys or comments")
            entries = parse(file.read(MAX_BYTES))
    except KeysError as error:
        raise KeysError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"{path} cannot be read: {error}") from None
    if not entries:
        raise KeysError(f"{path}: the file has no keys; add lines made by `lindyn-service key NAME`")
    return _version(status), entries
