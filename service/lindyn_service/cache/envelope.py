"""Seals: a stored value that is damaged, foreign or under another name is never taken for an answer.

They guard against accidents. The digest has no key, so whoever can write to the store can make a valid seal.
"""

import hashlib

MAGIC = b"LDC1"  # the last byte is the version of this layout: magic, digest, payload
HEAD = len(MAGIC) + hashlib.sha256().digest_size


def seal(name: str, payload: bytes) -> bytes:
    """Prepend what `unseal` needs to tell that this is the payload of this name, whole and unchanged."""
    return b"".join((MAGIC, _digest(name, payload), payload))


def unseal(name: str, value: bytes) -> bytes | None:
    """Return the payload, or None if `value` is not what `seal` made of it for this name."""
    payload = value[HEAD:]
    if value[:HEAD] != MAGIC + _digest(name, payload):
        return None
    return payload


def _digest(name: str, payload: bytes) -> bytes:
    encoded = name.encode()
    digest = hashlib.sha256(len(encoded).to_bytes(8))  # where the name ends, so that no byte changes sides
    digest.update(encoded)
    digest.update(payload)
    return digest.digest()
