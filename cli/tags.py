"""Tags of network resources: the options of list, create, set and unset, and their calls."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli import options
from cli.find import Kind

if TYPE_CHECKING:
    from cli.cloud import Cloud


def add_filters(parser: argparse.ArgumentParser) -> None:
    for name, about in (
        ("--tags", "with all of these tags"),
        ("--any-tags", "with any of these tags"),
        ("--not-tags", "not with all of these tags"),
        ("--not-any-tags", "with none of these tags"),
    ):
        parser.add_argument(name, type=options.words, metavar="<tag>[,<tag>,...]", help=about)


def query(parsed_args: argparse.Namespace) -> dict[str, Any]:
    asked = {
        "tags": parsed_args.tags, "tags-any": parsed_args.any_tags, "not-tags": parsed_args.not_tags,
        "not-tags-any": parsed_args.not_any_tags,
    }  # fmt: skip
    return {key: ",".join(words) for key, words in asked.items() if words}


def add_for_create(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag (may be repeated)")
    group.add_argument("--no-tag", action="store_true", help="no tags (default)")


def add_for_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag to add (may be repeated)")
    parser.add_argument("--no-tag", action="store_true", help="remove all tags first")


def add_for_unset(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag to remove (may be repeated)")
    group.add_argument("--all-tag", action="store_true", help="remove all tags")


def replace(cloud: Cloud, kind: Kind, thing_id: str, wanted: Sequence[str]) -> None:
    cloud.send(
        "PUT", f"{kind.path}/{thing_id}/tags", {"tags": sorted(set(wanted))}, service_type=kind.service
    )  # fmt: skip


def change(cloud: Cloud, kind: Kind, thing: Mapping[str, Any], parsed_args: argparse.Namespace) -> None:
    """Of `set`: those given beside those that are there, unless these go first."""
    there = set(thing.get("tags") or ())
    wanted = (set() if parsed_args.no_tag else there) | set(parsed_args.tags or ())
    if wanted != there:
        replace(cloud, kind, str(thing["id"]), sorted(wanted))


def remove(cloud: Cloud, kind: Kind, thing: Mapping[str, Any], parsed_args: argparse.Namespace) -> None:
    """Of `unset`."""
    there = set(thing.get("tags") or ())
    left = set() if parsed_args.all_tag else there - set(parsed_args.tags or ())
    if left != there:
        replace(cloud, kind, str(thing["id"]), sorted(left))
