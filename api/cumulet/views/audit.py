"""An audit as JSON."""

from __future__ import annotations

from typing import Any

from api.cumulet.operations.audit import Audit


def audit_body(found: Audit) -> dict[str, Any]:
    return {
        "differences": [
            {"kind": each.kind, "id": each.id, "expected": each.expected, "found": each.found, "remedy": each.remedy}
            for each in found.differences
        ],
        "nodes_compared": list(found.asked),
        "nodes_silent": list(found.silent),
    }
