"""JSON patches: whatever is sent, the answer is a list of changes or a refusal that says what is wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.image.schemas.images import JSON_PATCH_TYPES
from api.image.schemas.patch import Change, parse_patch
from common.errors import InvalidRequest

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "replace", "remove", "test"]), "path": st.text("/~01a.", max_size=8),
        "value": _VALUES, "add": st.text("/~01a", max_size=6), "remove": st.text("/~01a", max_size=6),
    },
)  # fmt: skip


@given(name=st.text(min_size=1, max_size=40))
def test_any_name_can_be_pointed_to(name: str) -> None:
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    assert parse_patch(JSON_PATCH_TYPES[0], [{"op": "add", "path": path, "value": "v"}]) == [Change("add", name, "v")]
    assert parse_patch(JSON_PATCH_TYPES[1], [{"add": path, "value": "v"}]) == [Change("add", name, "v")]


@given(kind=st.sampled_from(JSON_PATCH_TYPES), body=st.one_of(_VALUES, st.lists(_ENTRIES, max_size=3)))
def test_anything_else_is_refused_in_words(kind: str, body: Any) -> None:
    try:
        changes = parse_patch(kind, body)
    except InvalidRequest:
        return
    assert all(change.op in ("add", "replace", "remove") for change in changes)
