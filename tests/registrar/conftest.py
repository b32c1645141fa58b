"""Issuer keys take long to make, write and read: most tests share a few, and test_keys.py makes real ones."""

from functools import lru_cache
from itertools import cycle

import pytest

from support.letters import issuer_key
from undersigned.crypto import blind_rsa

_written = lru_cache(blind_rsa.PrivateKey.pkcs8)
_read = lru_cache(blind_rsa.PrivateKey.from_pkcs8)


@pytest.fixture(autouse=True)
def _shared_issuer_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cycle([issuer_key(number) for number in range(100, 108)])
    monkeypatch.setattr(blind_rsa.PrivateKey, "generate", lambda bits: next(pool))
    monkeypatch.setattr(blind_rsa.PrivateKey, "pkcs8", _written)
    monkeypatch.setattr(blind_rsa.PrivateKey, "from_pkcs8", _read)
