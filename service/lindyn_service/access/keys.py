"""API keys: their generation, and the file that stores their hashes.

A key has 256 random bits, which rules out a brute-force search, so one round of SHA-256 protects it as well as a slow
hash would. Slow hashes (scrypt, argon2) protect passwords, and would let clients load the service with invalid keys.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["solve", "jobs", "metrics"]

SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIX = "lindyn_"  # lets secret scanners recognise leaked keys
_KEY = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class KeysError(ValueError):
    """A line of the key file, or the name or scopes for a new one, is invalid; the message never shows key material."""


@dataclass(frozen=True)
class Caller:
    """The sender of a request and its scopes; a caller without a key, at a service that needs none, has no name."""

    name: str | None
    scopes: frozenset[Scope]


ANONYMOUS = Caller(None, frozenset(SCOPES))


@dataclass(frozen=True)
class Entry:
    """One line of the key file."""

    caller: Caller
    digest: bytes


def digest_of(key: str) -> bytes | None:
    """Return the hash of a key, or None if the text does not have the format of a key of this service."""
    return hashlib.sha256(key.encode()).digest() if _KEY.fullmatch(key) else None


def make(name: str, scopes: tuple[str, ...]) -> tuple[str, str]:
    """Generate a key and its line for the key file.

    Raises:
        KeysError: the name or a scope is invalid.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    line = f"{name} {','.join(scopes)} {hashlib.sha256(key.encode()).hexdigest()}"
    _entry(line)
    return key, line


def parse(text: str) -> tuple[Entry, ...]:
    """Parse the text of a key file; empty lines and lines that start with # are ignored.

    A name may have several keys, so that keys can be rotated without an interruption.

    Raises:
        KeysError: a line is invalid or repeats a key.
    """
    entries: dict[bytes, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            entry = _entry(line)
        except KeysError as error:
            raise KeysError(f"line {number}: {error}") from None
        if entry.digest in entries:
            raise KeysError(f"line {number}: this key is on another line already; give each line its own key")
        entries[entry.digest] = entry
    return tuple(entries.values())


def _entry(line: str) -> Entry:
    parts = line.split()
    if len(parts) != 3 or not _DIGEST.fullmatch(parts[2]):
        raise KeysError("expected NAME SCOPES SHA256, as `lindyn-service key NAME` prints it")
    name, scopes, digest = parts
    if not _NAME.fullmatch(name):
        raise KeysError("a name has at most 64 letters, digits and ._- and starts with a letter or digit")
    known: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in scopes.split(","))
    if known != frozenset(scopes.split(",")):
        raise KeysError(f"scopes are {', '.join(SCOPES)}, separated by commas without spaces")
    return Entry(Caller(name, known), bytes.fromhex(digest))
