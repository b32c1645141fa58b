"""Issuer keys take long to make, so most tests share a few; tests/registrar/test_keys.py makes real ones."""

from itertools import cycle

import pytest

from support.letters import issuer_key
from undersigned.crypto import blind_rsa


@pytest.fixture(autouse=True)
def _shared_issuer_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cycle([issuer_key(number) for number in range(100, 108)])
    monkeypatch.setattr(blind_rsa.PrivateKey, "generate", lambda bits: next(pool))
