"""Allocation candidates: which nodes have room for some amounts. The claim itself is the scheduler's alone."""

from __future__ import annotations

import re

from api.microversion import Microversion
from api.placement import query
from api.placement.handlers.fresh import reply
from api.placement.operations import candidates as operations
from api.placement.operations.candidates import Group
from api.placement.views import providers as views
from api.request import ApiRequest, Reply
from common.db.providers import ProviderQuery
from common.errors import InvalidRequest

_GROUP = re.compile(r"(resources|required|in_tree|member_of)([1-9][0-9]*|[a-zA-Z0-9_-]{1,64})?\Z")
_SINCE = {"resources": Microversion(1, 10), "limit": Microversion(1, 16), "required": Microversion(1, 17),
          "member_of": Microversion(1, 21),
          "group_policy": Microversion(1, 25), "in_tree": Microversion(1, 31), "root_required": Microversion(1, 35),
          "same_subtree": Microversion(1, 36)}  # fmt: skip
_GROUPS_SINCE = Microversion(1, 25)


def index(request: ApiRequest) -> Reply:
    """For each node that has room one candidate, though there may be more ways to have it all there."""
    suffixes = _suffixes(request)
    numbered = [suffix for suffix in suffixes if suffix]
    policy = request.arg("group_policy")
    if len(numbered) > 1 and policy not in ("none", "isolate"):
        raise InvalidRequest('The "group_policy" parameter is required (none or isolate) with more than one group.')
    limit = _limit(request)
    any_of, forbidden = query.required(request, request.query.get("root_required", []))
    root = ProviderQuery(any_of=any_of, forbidden=forbidden)
    groups = [_group(request, suffix) for suffix in suffixes]
    found = operations.find(request.services, groups, root, isolate=policy == "isolate")
    return reply(request, views.candidates(found[:limit], request.version))


def _group(request: ApiRequest, suffix: str) -> Group:
    any_of, forbidden = query.required(request, request.query.get(f"required{suffix}", []))
    in_one_of, in_none_of = query.member_of(request, request.query.get(f"member_of{suffix}", []))
    asked = ProviderQuery(
        tree=query.uuid(request, f"in_tree{suffix}"), any_of=any_of, forbidden=forbidden, in_one_of=in_one_of,
        in_none_of=in_none_of,
    )  # fmt: skip
    return Group(suffix, query.amounts(request.query[f"resources{suffix}"][-1], f"resources{suffix}"), asked)


def _suffixes(request: ApiRequest) -> list[str]:
    """Of the groups that ask for resources; "" is the one without. Raises InvalidRequest for unknown parameters."""
    found = []
    for name in request.query:
        match = _GROUP.match(name)
        kind, suffix = (match[1], match[2] or "") if match else (name, "")
        if kind not in _SINCE or request.version < _SINCE[kind] or (suffix and request.version < _GROUPS_SINCE):
            raise InvalidRequest(f"Invalid query string parameters: {name[:80]} is not known at {request.version}.")
        if kind == "resources":
            found.append(suffix)
    if not found:
        raise InvalidRequest("At least one request group (`resources` or `resources{$S}`) is required.")
    return sorted(found)


def _limit(request: ApiRequest) -> int | None:
    value = request.arg("limit")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and 0 < len(value) <= 9 and int(value) > 0):
        raise InvalidRequest(
            f"Invalid query string parameters: limit must be a whole number above 0, not {value[:40]!r}."
        )
    return int(value)
