"""Times as Neutron writes them."""

from __future__ import annotations

from datetime import datetime


def shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
