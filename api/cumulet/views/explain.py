"""Why a server is where it is, or nowhere: the scheduler's reasoning, as much of it as the caller may know.

Administrators see nodes by name with what was wanted and free. Tenants see the same shape with nodes as the hostId
that the compute API shows them, a general reason by filter, and neither amounts nor scores: a node's size and load are
the operator's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.compute.views.servers import host_id

TENANT_REASONS = {
    "is_up": "the node is down",
    "is_enabled": "the node is disabled",
    "is_requested": "another node was asked for",
    "not_tried": "an earlier attempt on the node failed",
    "in_zone": "the node is in another availability zone",
    "has_arch": "the image needs another processor architecture",
    "fits_vcpus": "not enough virtual CPUs are free",
    "fits_memory": "not enough memory is free",
    "fits_disk": "not enough disk is free",
}
_SIZE_FILTERS = ("fits_vcpus", "fits_memory", "fits_disk")


def why_body(
    server_id: str, operation_id: str | None, reasoning: Mapping[str, Any], project_id: str, *, is_admin: bool
) -> dict[str, Any]:
    """reasoning is {} while no node has been looked for."""
    body: dict[str, Any] = {
        "server": server_id,
        "operation": operation_id,
        "chosen": reasoning.get("chosen"),
        "candidates": reasoning.get("candidates", 0),
        "filters": reasoning.get("filters", []),
        "scores": reasoning.get("scores", []),
        "refusals": [_refusal(refusal) for refusal in reasoning.get("refusals", [])],
        "nearest_fix": reasoning.get("nearest_fix", ""),
    }
    return body if is_admin else _for_tenant(body, project_id)


def _refusal(refusal: Mapping[str, Any]) -> dict[str, Any]:
    return {name: refusal.get(name) for name in ("node", "filter", "reason", "wanted", "free")}


def _for_tenant(body: dict[str, Any], project_id: str) -> dict[str, Any]:
    refusals = [
        {
            "node": host_id(project_id, refusal["node"]),
            "filter": refusal["filter"],
            "reason": _tenant_reason(refusal["filter"]),
            "wanted": None,
            "free": None,
        }
        for refusal in body["refusals"]
    ]
    return {
        **body,
        "chosen": host_id(project_id, body["chosen"]) or None,
        "scores": [],
        "refusals": refusals,
        "nearest_fix": _tenant_fix(body) if body["nearest_fix"] else "",
    }


def _tenant_reason(name: str) -> str:
    return TENANT_REASONS.get(name, "the node was refused")


def _tenant_fix(body: Mapping[str, Any]) -> str:
    """What most nodes were refused for, and what its owner can do about it."""
    refused = max(body["filters"], key=lambda item: item["refused"], default=None)
    if refused is None or not refused["refused"]:
        return "There is no node that could run the server; ask the operator."
    advice = "use a smaller flavor, or try again later" if refused["name"] in _SIZE_FILTERS else "ask the operator"
    return (
        f"{refused['refused']} of {body['candidates']} nodes were refused: {_tenant_reason(refused['name'])}; {advice}."
    )
