"""The messages' JSON schemas are as they were agreed, and bytes that are none of them raise only what is expected.

Within v1 only optional fields with defaults may be added. After such an addition write the golden files anew:
`python -m tests.contract.test_messages`.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.rpc import compute_v1, events_v1, queries_v1

GOLDEN = Path(__file__).parents[1] / "golden"
PROTOCOLS: dict[str, tuple[Any, ...]] = {
    "compute_v1": (compute_v1.Command, compute_v1.FromAgent),
    "queries_v1": (queries_v1.Query, queries_v1.Answer),
    "events_v1": (events_v1.Event,),
}
DECODERS = [
    compute_v1.decode_command, compute_v1.decode_from_agent, queries_v1.decode_query, queries_v1.decode_answer,
    events_v1.decode,
]  # fmt: skip
EXPECTED = (msgspec.ValidationError, msgspec.DecodeError)


def render(name: str) -> str:
    (tops, parts) = msgspec.json.schema_components(PROTOCOLS[name])
    for part in parts.values():
        if "description" in part:  # as the docstring stands in the source, or without its margin: releases differ
            part["description"] = inspect.cleandoc(part["description"])
    return json.dumps({"messages": list(tops), "$defs": parts}, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_schema_is_the_golden_one(name: str) -> None:
    kept = (GOLDEN / f"{name}.json").read_text()
    assert json.loads(render(name)) == json.loads(kept), (
        f"{name} has changed. Optional fields with defaults may be added: then run `python -m {__spec__.name}`. "
        "Anything else is a new version in a file of its own."
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_was_optional_stays_optional(name: str) -> None:
    """No field that has no default may ever be added to v1, so the golden files' required fields are all there are."""
    now = json.loads(render(name))["$defs"]
    for struct, described in json.loads((GOLDEN / f"{name}.json").read_text())["$defs"].items():
        assert set(now[struct].get("required", [])) <= set(described.get("required", [])), struct


def test_every_command_has_a_tag_of_its_own() -> None:
    tags = [each.__struct_config__.tag for each in compute_v1.Command.__args__]
    assert len(tags) == len(set(tags)) == len(get_args(compute_v1.Command))


def json_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    words = st.sampled_from(["kind", "type", "id", "spec", "state", "epoch", "deadline", "instance_id", "report", "x"])
    return st.recursive(
        leaves | st.sampled_from(["ensure_instance", "sync_network", "report", "heartbeat", "console_log"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6),
        max_leaves=12,
    )


@settings(max_examples=150, deadline=None)
@given(junk=st.binary(max_size=200) | json_values().map(msgspec.json.encode))
def test_junk_raises_only_what_is_expected(junk: bytes) -> None:
    for decode in DECODERS:
        try:
            decode(junk)
        except EXPECTED:
            continue


@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b"[" * 100_000, b'{"kind":' * 50_000, b"NaN", b"1e999", b"9" * 5000, b'"\xff"', b'"\\ud800"',
    b"\x80\x04K\x01.",
])  # fmt: skip
def test_known_poison(body: bytes) -> None:
    for decode in DECODERS:
        with pytest.raises((*EXPECTED, RecursionError)):
            decode(body)


@pytest.mark.parametrize("body", [
    b"{}", b'{"kind":"ensure_absent","kind":"sync_network"}', b'{"type":"report","type":"heartbeat"}',
    b'{"kind":"ensure_instance","type":"report"}', b'{"kind":null}', b'{"type":7}',
])  # fmt: skip
def test_objects_that_are_no_message(body: bytes) -> None:
    for decode in DECODERS[:3]:  # an answer has no field that must be there
        with pytest.raises(EXPECTED):
            decode(body)


def test_a_field_of_a_later_minor_version_is_let_pass() -> None:
    """An agent of yesterday reads the messages of tomorrow's scheduler."""
    body = msgspec.json.encode(
        {
            "kind": "ack_reports", "id": "1", "operation_id": "", "step": "", "request_id": "", "instance_id": "",
            "epoch": 0, "generation": 0, "deadline": "2026-01-01T00:00:00Z", "report_ids": [], "new": {"field": 1},
        }
    )  # fmt: skip
    assert isinstance(compute_v1.decode_command(body), compute_v1.AckReports)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in PROTOCOLS:
        (GOLDEN / f"{each}.json").write_text(render(each))
