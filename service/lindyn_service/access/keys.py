"""API keys: how they are made, and the lines of the file that knows them by their hashes.

A key holds 256 random bits, which nobody can search, so one round of SHA-256 keeps it as well as a slow hash would.
Those (scrypt, argon2) slow down a search among passwords, and would let anybody keep the service busy by wrong keys.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["solve", "jobs", "metrics"]

SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIX = "lindyn_"  # lets scanners for leaked secrets find them
_KEY = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class KeysError(ValueError):
    """A line of the file, or what one is to be made of, is not as it must be; the text never shows it."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and what it may do; whoever comes without a key to an open service has no name."""

    name: str | None
    scopes: frozenset[Scope]


ANYBODY = Caller(None, frozenset(SCOPES))


@dataclass(frozen=True)
class Entry:
    """One line of the file."""

    caller: Caller
    digest: bytes


def digest_of(key: str) -> bytes | None:
    """The hash of a key, or None for what cannot be one of ours, such as a password somebody chose."""
    return hashlib.sha256(key.encode()).digest() if _KEY.fullmatch(key) else None


def make(name: str, scopes: tuple[str, ...]) -> tuple[str, str]:
    """Make a key, and the line that goes into the file.

    Raises:
        KeysError: the name or a scope is none.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    line = f"{name} {','.join(scopes)} {hashlib.sha256(key.encode()).hexdigest()}"
    _entry(line)
    return key, line


def parse(text: str) -> tuple[Entry, ...]:
    """Read a file of keys; empty lines and those that start with # say nothing.

    A name may have several keys, so that a new one can be in use before the old one is taken out.

    Raises:
        KeysError: a line is wrong.
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
            raise KeysError(f"line {number}: the key of another line; give each its own")
        entries[entry.digest] = entry
    return tuple(entries.values())


def _entry(line: str) -> Entry:
    parts = line.split()
    if len(parts) != 3 or not _DIGEST.fullmatch(parts[2]):
        raise KeysError("expected NAME SCOPES SHA256, as `lindyn-service key NAME` prints it")
    name, scopes, digest = parts
    if not _NAME.fullmatch(name):
        raise KeysError("a name has up to 64 letters, digits and ._- and starts with a letter or digit")
    known: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in scopes.split(","))
    if known != frozenset(scopes.split(",")):
        raise KeysError(f"scopes are {', '.join(SCOPES)}, with commas and no spaces between them")
    return Entry(Caller(name, known), bytes.fromhex(digest))
