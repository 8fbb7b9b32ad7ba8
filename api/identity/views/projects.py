"""Projects as the Identity API shows them."""

from __future__ import annotations

from typing import Any

from api.identity.operations.projects import Family
from common.db.models import Project


def project(row: Project, base_url: str) -> dict[str, Any]:
    """A project directly under its domain has the domain's id as parent."""
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": row.domain_id,
        "description": row.description,
        "enabled": row.enabled,
        "parent_id": row.parent_id or row.domain_id,
        "is_domain": False,
        "tags": row.tags,
        "options": row.options,
        "links": {"self": f"{base_url}/projects/{row.id}"},
    }


def family(found: Family, row: Project, base_url: str, above: str | None, below: str | None) -> dict[str, Any]:
    """The project's tree: as nested ids, or as a list of projects."""
    shown: dict[str, Any] = {}
    if found.above is not None:
        listed = [{"project": project(each, base_url)} for each in found.above]
        shown["parents"] = _line(found.above, row.domain_id) if above == "ids" else listed
    if found.below is not None:
        listed = [{"project": project(each, base_url)} for each in found.below]
        shown["subtree"] = _tree(found.below, row.id) if below == "ids" else listed
    return shown


def _line(above: list[Project], domain_id: str) -> dict[str, Any]:
    """{parent: {grandparent: {domain: null}}}."""
    line: dict[str, Any] = {domain_id: None}
    for each in reversed(above):
        line = {each.id: line}
    return line


def _tree(below: list[Project], parent_id: str) -> dict[str, Any] | None:
    return {each.id: _tree(below, each.id) for each in below if each.parent_id == parent_id} or None
