"""The scheduler's program: what it refuses before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.main import main


def test_a_filter_that_there_is_not_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "cumulet.conf"
    config.write_text("[scheduler]\nfilters = fits_memory, fits_moon\n")
    monkeypatch.setenv("CUMULET_CONFIG", str(config))
    assert main() == 2
    assert "there is no 'fits_moon'" in capsys.readouterr().err
