"""The keys of a file, read again when it changes."""

import hmac
import logging
import os
import stat
import time
from pathlib import Path

from lindyn_service.access.keys import Caller, Entry, KeysError, digest_of, parse

LOOK_SECONDS = 1.0

_Version = tuple[int, int, int]

log = logging.getLogger(__name__)


class Keyring:
    """Knows callers by their keys.

    The file is looked at once a second. While it is missing or wrong, the keys that it had before are valid, and the
    log says what is wrong.

    Raises:
        KeysError: the file cannot be used at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version, self._entries = _load(path)
        self._look_at = time.monotonic() + LOOK_SECONDS

    def find(self, key: str) -> Caller | None:
        """Whose key this is. Takes as long for a wrong key as for a right one."""
        self._refresh()
        digest = digest_of(key)
        found: Caller | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest or b""):
                found = entry.caller
        return found

    def _refresh(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            if _version(self._path.stat()) != self._version:
                self._version, self._entries = _load(self._path)
                log.warning("read %d keys from %s", len(self._entries), self._path)
        except (KeysError, OSError) as error:
            log.error("the keys of before stay valid: %s", error)


def _version(found: os.stat_result) -> _Version:
    return found.st_mtime_ns, found.st_ino, found.st_size


def _load(path: Path) -> tuple[_Version, tuple[Entry, ...]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            found = os.fstat(file.fileno())
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise KeysError("others than its owner may write to it; chmod go-w")
            entries = parse(file.read())
    except KeysError as error:
        raise KeysError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"{path} cannot be read: {error}") from None
    if not entries:
        raise KeysError(f"{path}: no keys; add lines made by `lindyn-service key NAME`")
    return _version(found), entries
