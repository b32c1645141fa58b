"""One tag per person and letter: enough to say "you have had your token", and nothing once its two keys are gone.

    tag = HMAC(k2, HMAC(k1, lid || namespace\\0 || canonical identity))          HMAC-SHA-256, spec/tokens.md

Two small objects, because where roles are separate k1 and k2 live in two processes: neither alone can try addresses.
"""

import hmac


class InnerKey:
    """Holds k1 (32 bytes); sees the identity, and never the tag."""

    def __init__(self, k1: bytes) -> None:
        self._k1 = k1

    def inner(self, *, lid: bytes, namespace: str, identity: str) -> bytes:
        """HMAC(k1, lid(32) || namespace || 0 || identity), 32 bytes."""
        return hmac.digest(self._k1, lid + namespace.encode() + b"\0" + identity.encode(), "sha256")


class OuterKey:
    """Holds k2 (32 bytes); sees the tag, and never the identity."""

    def __init__(self, k2: bytes) -> None:
        self._k2 = k2

    def tag(self, inner: bytes) -> bytes:
        """HMAC(k2, inner), 32 bytes."""
        return hmac.digest(self._k2, inner, "sha256")
