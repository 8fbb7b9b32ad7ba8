"""The serial log's tail: bounded, over rotated parts, and without what misleads a terminal or a reader (CON-07)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_agent.console.log import clean, tail


def test_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"one\r\ntwo\r\nthree\nfour")
    assert tail(path, 2, max_kib=64) == "three\nfour"
    assert tail(path, None, max_kib=64) == "one\ntwo\nthree\nfour"
    assert tail(path, 99, max_kib=64) == "one\ntwo\nthree\nfour"
    assert tail(path, 0, max_kib=64) == ""
    assert tail(path, -1, max_kib=64) == ""


def test_no_log_is_no_output(tmp_path: Path) -> None:
    assert tail(tmp_path / "console.log", None, max_kib=64) == ""


def test_rotated_parts_come_first(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("newest\n")
    (tmp_path / "console.log.0").write_text("middle\n")
    (tmp_path / "console.log.1").write_text("oldest\n")
    (tmp_path / "console.log.3").write_text("left over\n")
    assert tail(path, None, max_kib=64) == "oldest\nmiddle\nnewest\n"
    path.unlink()
    assert tail(path, 1, max_kib=64) == "middle\n"


def test_no_more_than_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"a" * 1000 + b"\n")
    (tmp_path / "console.log.0").write_bytes(b"b" * 5000)
    assert len(tail(path, None, max_kib=2)) == 2048
    with path.open("wb") as file:  # 10 GB, sparse
        file.truncate(10 * 1024**3)
        file.seek(0, os.SEEK_END)
        file.write(b"the end\n")
    assert tail(path, 1, max_kib=64) == "the end\n"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1;2qxyz\x1b\\after", "after"),
        (b"\x1b[2J\x1b[Htop", "top"),
        (b"\x1bc\x1b(Bplain", "plain"),
        (b"a\x00b\x07c\x08d\x7fe", "abcde"),
        (b"tab\there", "tab\there"),
        (b"over\rwritten", "overwritten"),
        ("\u202etxt.exe\u2066".encode(), "txt.exe"),
        (b"\xc2\x9b31mred", "red"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("grüße 漢字 ✓".encode(), "grüße 漢字 ✓"),
    ],
)
def test_control_sequences_are_dropped(printed: bytes, shown: str) -> None:
    assert clean(printed) == shown


@given(st.binary(max_size=300))
def test_nothing_unsafe_is_left(data: bytes) -> None:
    text = clean(data)
    assert all(char in "\n\t" or char.isprintable() or ord(char) > 0x9F for char in text)
    assert not set(text) & set("\x1b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
