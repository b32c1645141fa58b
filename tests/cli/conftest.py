import pytest

from support.terminal import Terminal


@pytest.fixture
def undersigned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)
