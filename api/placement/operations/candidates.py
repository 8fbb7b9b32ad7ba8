"""Which nodes have room for some groups of amounts, each group on one provider: the node itself or one below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from api.request import Services
from common.db import providers
from common.db.providers import Amounts, Provider, ProviderQuery, ResourceClass

Placed = Mapping[str, Provider]  # by suffix of the group
MOST_PLACINGS = 1000  # looked at on a node: groups multiply, and a request can name many


@dataclass(frozen=True)
class Group:
    """suffix "": its amounts may be had from several providers of the node. asked: traits, aggregates and tree."""

    suffix: str
    amounts: Amounts
    asked: ProviderQuery


@dataclass(frozen=True)
class Candidate:
    """A node, which is the first of `tree`. given: amounts by provider. mappings: ids of providers by group."""

    tree: Sequence[Provider]
    given: Mapping[str, Mapping[ResourceClass, int]]
    mappings: Mapping[str, Sequence[str]] = field(default_factory=dict)


def find(services: Services, groups: Sequence[Group], root: ProviderQuery, *, isolate: bool) -> list[Candidate]:
    """One for each node where there is any. root: traits of the node itself. isolate: no provider for two groups."""
    with services.db.read() as session:
        everything = providers.find(session, ProviderQuery())
    found = []
    for tree in _trees(everything):
        if not providers.has_traits(tree[0].traits, root):
            continue
        for placed in _placings(groups, tree, isolate=isolate):
            candidate = _candidate(tree, groups, placed)
            if candidate is not None:
                found.append(candidate)
                break
    return found


def _trees(everything: Sequence[Provider]) -> Iterator[Sequence[Provider]]:
    for root in everything:
        if not root.root_id:
            yield [root, *(each for each in everything if each.root_id == root.id)]


def _placings(groups: Sequence[Group], tree: Sequence[Provider], *, isolate: bool) -> Iterator[Placed]:
    """Ways to have each group with a suffix on a provider that it may be on; room for all is looked at afterwards."""
    single = [group for group in groups if group.suffix]
    choices = [
        [each for each in tree if _may_give(each, group, tree) and each.has_room(group.amounts)] for group in single
    ]
    for chosen in islice(product(*choices), MOST_PLACINGS):
        if not isolate or len({each.id for each in chosen}) == len(chosen):
            yield dict(zip((group.suffix for group in single), chosen, strict=True))


def _may_give(provider: Provider, group: Group, tree: Sequence[Provider]) -> bool:
    in_tree = group.asked.tree is None or any(each.id == group.asked.tree for each in tree)
    return (
        in_tree
        and providers.has_traits(provider.traits, group.asked)
        and providers.is_member(provider.aggregates, group.asked)
    )


def _candidate(tree: Sequence[Provider], groups: Sequence[Group], placed: Placed) -> Candidate | None:
    """None: there is not room for all of it together."""
    given: dict[str, Counter[ResourceClass]] = {each.id: Counter() for each in tree}
    mappings: dict[str, list[str]] = {}
    for group in groups:
        if group.suffix:
            given[placed[group.suffix].id].update(group.amounts)
            mappings[group.suffix] = [placed[group.suffix].id]
    if not all(each.has_room(given[each.id]) for each in tree):
        return None
    for group in groups:
        if not group.suffix and (used := _spread(tree, group, given)) is not None:
            mappings[""] = used
        elif not group.suffix:
            return None
    return Candidate(tree, {provider: amounts for provider, amounts in given.items() if amounts}, mappings)


def _spread(tree: Sequence[Provider], group: Group, given: dict[str, Counter[ResourceClass]]) -> list[str] | None:
    """Have each amount of the group without a suffix from the first provider with room for it; ids of those used.

    The traits that it wants may be any provider's of the node; those that it forbids no used one may have.
    """
    all_traits = frozenset().union(*(each.traits for each in tree))
    wanted = ProviderQuery(any_of=group.asked.any_of)
    used: list[str] = []
    for resource, amount in group.amounts.items():
        for each in tree:
            own = ProviderQuery(
                forbidden=group.asked.forbidden, in_one_of=group.asked.in_one_of, in_none_of=group.asked.in_none_of,
                tree=group.asked.tree,
            )  # fmt: skip
            together = given[each.id] + Counter({resource: amount})
            if _may_give(each, Group("", {}, own), tree) and each.has_room(together):
                given[each.id] = together
                used += [each.id] if each.id not in used else []
                break
        else:
            return None
    return used if providers.has_traits(all_traits, wanted) else None
