"""Checksummed envelopes for stored values, which detect values that are damaged, foreign or stored under another name.

They protect against accidents, not against attacks: the digest has no secret key, so anyone who can write to the store
can forge an envelope.
"""

import hashlib

MAGIC = b"LDC1"  # the last byte is the version of this layout: magic, digest, payload
HEADER_BYTES = len(MAGIC) + hashlib.sha256().digest_size


def seal(name: str, payload: bytes) -> bytes:
    """Return the payload with a header that binds it to its name and lets `unseal` detect changes."""
    return b"".join((MAGIC, _digest(name, payload), payload))


def unseal(name: str, value: bytes) -> bytes | None:
    """Return the payload, or None if `value` is not an intact envelope for this name."""
    payload = value[HEADER_BYTES:]
    if value[:HEADER_BYTES] != MAGIC + _digest(name, payload):
        return None
    return payload


def _digest(name: str, payload: bytes) -> bytes:
    encoded = name.encode()
    digest = hashlib.sha256(len(encoded).to_bytes(8))  # the length separates name and payload unambiguously
    digest.update(encoded)
    digest.update(payload)
    return digest.digest()
