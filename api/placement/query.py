"""Query parameters of the placement API: amounts, traits, ids. Each is refused with a 400 that names it."""

from __future__ import annotations

from collections.abc import Sequence

from api.microversion import Microversion
from api.placement.operations import providers
from api.request import ApiRequest
from common.db.providers import Amounts, ResourceClass
from common.errors import InvalidRequest
from common.ids import is_uuid
from common.placement import traits

ANY_OF = Microversion(1, 39)
FORBIDDEN = Microversion(1, 22)
REPEATED_MEMBER = Microversion(1, 24)
FORBIDDEN_MEMBER = Microversion(1, 32)


def known(request: ApiRequest, names: Sequence[str]) -> None:
    """Raises InvalidRequest for a parameter that isn't one of these."""
    unknown = sorted(set(request.query) - set(names))
    if unknown:
        raise InvalidRequest(
            f"Invalid query string parameters: {', '.join(name[:40] for name in unknown[:5])}; known are {', '.join(names)}."
        )


def uuid(request: ApiRequest, name: str) -> str | None:
    value = request.arg(name)
    if value is not None and not is_uuid(value):
        raise InvalidRequest(f"Invalid query string parameters: {name} must be a UUID, not {value[:40]!r}.")
    return value


def amounts(text: str, name: str = "resources") -> Amounts:
    """ "VCPU:2,MEMORY_MB:512"."""
    found: dict[ResourceClass, int] = {}
    for pair in text.split(","):
        resource, _, amount = pair.partition(":")
        if not (amount.isascii() and amount.isdecimal() and 0 < len(amount) <= 10 and int(amount) > 0):
            raise InvalidRequest(
                f"Badly formed resources parameter. Expected {name}=VCPU:1,MEMORY_MB:512 with amounts above 0; "
                f"got {text[:100]!r}."
            )
        if resource not in ResourceClass.__members__:
            raise InvalidRequest(
                f"Invalid resource class in resources parameter: {resource[:80]!r} is offered by no node."
            )
        found[ResourceClass(resource)] = int(amount)
    return found


def member_of(
    request: ApiRequest, values: Sequence[str]
) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:  # fmt: skip
    """The sets of aggregates of which a provider must be in one each, and those that it must not be in.

    "in:A,B" means one of them; since 1.24 the parameter may be repeated, since 1.32 "!A" and "!in:A,B" forbid.
    """
    if len(values) > 1 and request.version < REPEATED_MEMBER:
        raise InvalidRequest("Invalid query string parameters: member_of may be repeated from 1.24 on.")
    one_of: list[frozenset[str]] = []
    none_of: set[str] = set()
    for value in values:
        forbids = value.startswith("!")
        if forbids and request.version < FORBIDDEN_MEMBER:
            raise InvalidRequest("Invalid query string parameters: member_of may forbid from 1.32 on.")
        text = value.removeprefix("!")
        ids = text.removeprefix("in:").split(",") if text.startswith("in:") else [text]
        if not all(is_uuid(each) for each in ids):
            raise InvalidRequest(
                f"Expected 'member_of' parameter to contain valid UUID(s), not {value[:80]!r}; more than one need 'in:'."
            )
        if forbids:
            none_of.update(ids)
        else:
            one_of.append(frozenset(ids))
    return tuple(one_of), frozenset(none_of)


def required(request: ApiRequest, values: Sequence[str]) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    """The sets of which a provider must have one trait each, and the traits it must not have.

    Since 1.22 "!TRAIT" forbids; since 1.39 the parameter may be repeated and "in:A,B" means one of them.
    """
    if len(values) > 1 and request.version < ANY_OF:
        values = values[-1:]
    any_of: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        if value.startswith("in:") and request.version >= ANY_OF:
            any_of.append(frozenset(value.removeprefix("in:").split(",")))
            continue
        for word in value.split(","):
            if word.startswith("!") and request.version >= FORBIDDEN:
                forbidden.add(word[1:])
            else:
                any_of.append(frozenset({word}))
    unknown = frozenset().union(*any_of, forbidden) - traits.ALL
    if any(name.startswith("CUSTOM_") for name in unknown):  # of physical networks, which nodes declare
        unknown -= providers.held_traits(request.services)
    if unknown:
        raise InvalidRequest(f"No such trait(s): {', '.join(name[:80] for name in sorted(unknown)[:5])}.")
    return tuple(any_of), frozenset(forbidden)
