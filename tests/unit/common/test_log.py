"""A log line is one JSON object with the ids of the work at hand; nothing that is logged can forge another line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import log
from common.config import CloudConfig
from common.log import MAX_VALUE_CHARS, JsonFormatter


def line(message: str = "an.event", exc_info: Any = None, **facts: Any) -> str:
    record = logging.LogRecord("a.logger", logging.WARNING, "file", 1, message, (), exc_info)
    record.facts = facts
    return JsonFormatter("api").format(record)


def test_what_is_in_a_line() -> None:
    with log.bind(request_id="req-1", node=""):
        found = json.loads(line(count=3))
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING", "process": "api", "logger": "a.logger", "event": "an.event", "request_id": "req-1", "count": 3,
    }  # fmt: skip
    assert "request_id" not in json.loads(line())


def test_bound_fields_nest_and_end() -> None:
    with log.bind(request_id="a", operation_id="o"):
        with log.bind(request_id="b"):
            assert log.bound() == {"request_id": "b", "operation_id": "o"}
        assert log.bound() == {"request_id": "a", "operation_id": "o"}
        with pytest.raises(ZeroDivisionError), log.bind(request_id="c"):
            raise ZeroDivisionError
        assert log.bound()["request_id"] == "a"
    assert log.bound() == {}


@given(text=st.text(), key=st.text(alphabet=st.characters(categories=["L"]), min_size=1, max_size=5))
def test_one_record_is_one_line(text: str, key: str) -> None:
    if key in ("message", "exc_info"):
        return
    written = line(**{key: text})
    assert len(written.splitlines()) == 1
    assert json.loads(written)[key] == (text if len(text) <= MAX_VALUE_CHARS else json.loads(written)[key])


def test_long_values_are_cut() -> None:
    found = json.loads(line(body="x" * (MAX_VALUE_CHARS + 10)))["body"]
    assert found.startswith("x" * MAX_VALUE_CHARS)
    assert found.endswith(f"({MAX_VALUE_CHARS + 10} characters)")


def test_a_trace_stays_in_its_line() -> None:
    import sys

    try:
        raise ValueError("first\nsecond")
    except ValueError:
        written = line(exc_info=sys.exc_info())
    assert len(written.splitlines()) == 1
    assert "ValueError: first\nsecond" in json.loads(written)["trace"]


def test_setup_writes_to_the_file_of_the_process(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log.setup(CloudConfig(log_dir=str(tmp_path), log_level="WARNING"), "scheduler")
        log.event(logging.getLogger("x"), "a.warning", logging.WARNING, server="s")
        log.event(logging.getLogger("x"), "not.written")
        for handler in root.handlers:
            handler.close()
    finally:
        root.handlers[:], root.level = before
    [written] = (tmp_path / "scheduler.log").read_text().splitlines()
    assert (json.loads(written)["event"], json.loads(written)["server"]) == ("a.warning", "s")
