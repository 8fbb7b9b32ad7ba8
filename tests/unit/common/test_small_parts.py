"""The small parts that everything leans on: secrets, ids, clocks, microversions."""

from __future__ import annotations

import json
import logging
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.microversion import Microversion, VersionRange
from common.clock import ManualClock, SystemClock
from common.config import BusConfig, Config
from common.errors import InvalidRequest, VersionNotSupported
from common.ids import is_request_id, is_uuid, new_hex_id, new_id, new_request_id
from common.log import JsonFormatter
from common.secret import Secret

CANARY = "hunter2-canary"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda s: f"{s}", lambda s: repr([s]),
                                  lambda s: json.dumps({"a": s}, default=str), lambda s: repr(BusConfig(url=s)),
                                  lambda s: str(Config(bus=BusConfig(url=s)))])  # fmt: skip
def test_a_secret_never_shows(show: object) -> None:
    assert callable(show)
    assert CANARY not in show(Secret(CANARY))


def test_a_secret_in_a_log_line_and_an_error() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "an.event", (), None)
    record.facts = {"password": Secret(CANARY), "inside": [Secret(CANARY)]}
    assert CANARY not in JsonFormatter("api").format(record)
    assert CANARY not in str(InvalidRequest("no", secret=Secret(CANARY)).facts)


def test_a_secret_compares_by_its_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("ä").matches("ä")
    assert not Secret("a").matches("\ud800")
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
    assert CANARY.encode() not in pickle.dumps([str(Secret(CANARY))])


def test_ids() -> None:
    assert is_uuid(new_id())
    assert is_uuid(new_hex_id())
    assert is_request_id(new_request_id())
    for bad in ("", "x", f"{new_id()}\n", f"../{new_id()}", new_id()[:-1], f"{{{new_id()}}}", "urn:uuid:" + new_id()):
        assert not is_uuid(bad), bad
    for bad in ("", new_id(), f"{new_request_id()}\n", f"{new_request_id()} ", new_request_id().upper()):
        assert not is_request_id(bad), bad


@given(st.text(max_size=40))
def test_any_text_may_be_asked_about(text: str) -> None:
    assert is_uuid(text) in (True, False)
    assert is_request_id(text) in (True, False)


def test_clocks() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().monotonic() <= SystemClock().monotonic()
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.sleep(1.5)
    clock.advance(0.5)
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=2), 2.0)


RANGE = VersionRange("compute", Microversion(2, 1), Microversion(2, 79), legacy_header="X-OpenStack-Nova-API-Version")


@pytest.mark.parametrize(
    ("standard", "legacy", "expected"),
    [
        (None, None, "2.1"), ("", "", "2.1"), ("compute 2.79", None, "2.79"), ("compute latest", None, "2.79"),
        ("COMPUTE 2.10", None, "2.10"), (None, "2.53", "2.53"), (None, " latest ", "2.79"),
        ("compute 2.2", "2.53", "2.2"), ("placement 1.30", "2.53", "2.53"), ("identity 3.1, compute 2.9", None, "2.9"),
        ("compute", "2.4", "2.4"),
    ],
)  # fmt: skip
def test_negotiation(standard: str | None, legacy: str | None, expected: str) -> None:
    assert str(RANGE.negotiate(standard, legacy)) == expected


@pytest.mark.parametrize("asked", ["2.0", "2.80", "1.1", "3.1", "2.9999"])
def test_out_of_range(asked: str) -> None:
    with pytest.raises(VersionNotSupported):
        RANGE.negotiate(f"compute {asked}", None)


@pytest.mark.parametrize("asked", ["2", "2.1.1", "two.one", "2.01", "2.-1", "-2.1", "2.1e1", "99999.1", "2.1\n", "2.٣"])
def test_malformed_versions(asked: str) -> None:
    with pytest.raises(InvalidRequest):
        Microversion.parse(asked)


def test_versions_are_numbers_not_text() -> None:
    assert Microversion.parse("2.9") < Microversion.parse("2.10") < Microversion.parse("3.0")
    assert str(Microversion.parse("2.10")) == "2.10"
