"""Roles as the Identity API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from common.db.models import Role


def role(row: Role, base_url: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id or None,
        "description": row.description,
        "options": row.options,
        "links": {"self": f"{base_url}/roles/{row.id}"},
    }


def brief(row: Role, base_url: str) -> dict[str, Any]:
    """A role inside of an inference rule."""
    return {"id": row.id, "name": row.name, "links": {"self": f"{base_url}/roles/{row.id}"}}


def inference(prior: Role, implied: Iterable[Role], base_url: str) -> dict[str, Any]:
    return {"prior_role": brief(prior, base_url), "implies": [brief(row, base_url) for row in implied]}


def inferences(rules: Sequence[tuple[Role, Role]], base_url: str) -> list[dict[str, Any]]:
    """One entry for each prior role; `rules` are sorted by it."""
    grouped = groupby(rules, key=lambda rule: rule[0].id)
    found = [list(group) for _, group in grouped]
    return [inference(group[0][0], [implied for _, implied in group], base_url) for group in found]
