"""Allocation candidates: which nodes have room for some amounts. The claim itself is the scheduler's alone."""

from __future__ import annotations

import re
from collections import Counter

from api.microversion import Microversion
from api.placement import query
from api.placement.handlers.fresh import reply
from api.placement.operations import providers
from api.placement.views import providers as views
from api.request import ApiRequest, Reply
from common.db.providers import Amounts, ProviderQuery, ResourceClass
from common.errors import InvalidRequest

_GROUP = re.compile(r"(resources|required|in_tree|member_of)([1-9][0-9]*|[a-zA-Z0-9_-]{1,64})?\Z")
_SINCE = {"resources": Microversion(1, 10), "limit": Microversion(1, 16), "required": Microversion(1, 17),
          "member_of": Microversion(1, 21),
          "group_policy": Microversion(1, 25), "in_tree": Microversion(1, 31), "root_required": Microversion(1, 35),
          "same_subtree": Microversion(1, 36)}  # fmt: skip
_GROUPS_SINCE = Microversion(1, 25)


def index(request: ApiRequest) -> Reply:
    """Nodes have no children, so all request groups must fit on one node; `group_policy=isolate` of several can't be met."""
    suffixes = _suffixes(request)
    total: Counter[str] = Counter()
    for suffix in suffixes:
        total.update(query.amounts(request.query[f"resources{suffix}"][-1], f"resources{suffix}"))
    numbered = [suffix for suffix in suffixes if suffix]
    policy = request.arg("group_policy")
    if len(numbered) > 1 and policy not in ("none", "isolate"):
        raise InvalidRequest('The "group_policy" parameter is required (none or isolate) with more than one group.')
    roots = request.query.get("root_required", [])  # a node is its own root
    any_of, forbidden = query.required(
        request, [v for name in _of(request, "required") for v in request.query[name]] + roots
    )
    in_one_of, in_none_of = query.member_of(
        request, [v for name in _of(request, "member_of") for v in request.query[name]]
    )
    trees = {value for name in _of(request, "in_tree") for value in request.query[name]}
    limit = _limit(request)
    apart = (len(numbered) > 1 and policy == "isolate") or len(trees) > 1
    wanted = ProviderQuery(
        id=next(iter(trees), None), free=_amounts(total), any_of=any_of, forbidden=forbidden, in_one_of=in_one_of,
        in_none_of=in_none_of,
    )  # fmt: skip
    found = [] if apart else providers.find(request.services, wanted)
    return reply(request, views.candidates(found[:limit], dict(total), suffixes, request.version))


def _amounts(total: Counter[str]) -> Amounts:
    return {ResourceClass(name): amount for name, amount in total.items()}


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


def _of(request: ApiRequest, kind: str) -> list[str]:
    return [name for name in request.query if name.startswith(kind)]


def _limit(request: ApiRequest) -> int | None:
    value = request.arg("limit")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and 0 < len(value) <= 9 and int(value) > 0):
        raise InvalidRequest(
            f"Invalid query string parameters: limit must be a whole number above 0, not {value[:40]!r}."
        )
    return int(value)
