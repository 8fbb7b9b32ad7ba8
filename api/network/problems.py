"""Refusals in Neutron's words, and quota as Neutron answers it (409, all resources named)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from common.errors import Conflict, Forbidden, InvalidRequest, QuotaExceeded


def invalid(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid input for operation: {reason}", neutron_type="InvalidInput")


def not_allowed(what: str) -> Forbidden:
    """`what`: the policy's name, such as "create_network:shared"."""
    return Forbidden(f"(rule:{what}) is disallowed by policy", neutron_type="PolicyNotAuthorized")


@contextmanager
def neutron_quota() -> Iterator[None]:
    """Quota refusals inside the block become Neutron's OverQuota."""
    try:
        yield
    except QuotaExceeded as err:
        if "neutron_type" in err.facts:  # a limit that isn't a project's quota, in its own words
            raise
        resource = str(err.facts.get("resource", ""))
        facts = {key: value for key, value in err.facts.items() if key != "neutron_type"}
        raise QuotaExceeded(
            f"Quota exceeded for resources: ['{resource}'].",
            **{**facts, "neutron_type": "OverQuota", "http_status": 409},
        ) from err


def check_revision(headers: Mapping[str, str], current: int) -> None:
    """Raises Conflict (412) when the request's If-Match names another revision; InvalidRequest when it names none."""
    text = headers.get("If-Match")
    if text is None:
        return
    name, _, number = text.strip().strip('"').partition("=")
    if name != "revision_number" or not number.isdigit():
        raise InvalidRequest(
            "Bad format: if-match header must be of format revision_number=N.",
            neutron_type="RevisionNumberConstraintFailed",
        )
    if int(number) != current:
        raise Conflict(
            f"Constrained to {number}, but current revision is {current}",
            http_status=412,
            neutron_type="RevisionNumberConstraintFailed",
        )
