"""Options that several commands share, spelled as `openstack` spells them, and doing one thing to many."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from typing import Any

from cli.errors import CloudRefusedError, CommandError

logger = logging.getLogger("cumulet")


class KeyValue(argparse.Action):
    """key=value, may be repeated."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _option: str | None = None
    ) -> None:
        key, equals, value = str(values).partition("=")
        if not equals or not key:
            parser.error(f"{self.option_strings[0]} takes key=value, not {values!r}")
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest, None) or {}), key: value})


def pairs(text: str) -> dict[str, str]:
    """a=b,c=d as a mapping; for argparse's type."""
    found = {}
    for piece in text.split(","):
        key, equals, value = piece.partition("=")
        if not equals or not key:
            raise argparse.ArgumentTypeError(f"key=value[,key=value …] expected, not {text!r}")
        found[key] = value
    return found


def words(text: str) -> list[str]:
    """a,b,c; for argparse's type."""
    return [word for word in text.split(",") if word]


def count(text: str) -> int:
    """A number that is not negative; for argparse's type."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def number(text: str, option: str) -> int:
    """A number inside of an option's value. Raises CommandError."""
    if not text.isdecimal():
        raise CommandError(f"{option}: {text!r} is no whole number from 0 on.")
    return int(text)


def paging(parser: argparse.ArgumentParser, *, max_items: bool = True) -> None:
    parser.add_argument(
        "--limit", type=count, metavar="<limit>", help="one page of so many; with --max-items: its size"
    )
    if max_items:
        parser.add_argument("--max-items", type=count, metavar="<max-items>", help="so many in all, page after page")
    parser.add_argument("--marker", metavar="<marker>", help="those after the one with this id")


def page(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """Of `paging`, for Cloud.pages."""
    most = getattr(parsed_args, "max_items", None) or None
    return {"limit": parsed_args.limit or None, "marker": parsed_args.marker, "max_items": most}


def properties(parser: argparse.ArgumentParser, what: str = "property to set (may be repeated)") -> None:
    parser.add_argument("--property", action=KeyValue, dest="properties", metavar="<key=value>", help=what)


def names(parser: argparse.ArgumentParser, noun: str) -> None:
    parser.add_argument("names", nargs="+", metavar=f"<{noun}>", help=f"{noun} (name or id)")


def project(parser: argparse.ArgumentParser, what: str = "owner's project (name or id)") -> None:
    parser.add_argument("--project", metavar="<project>", help=what)
    parser.add_argument("--project-domain", metavar="<project-domain>", help="domain of that project")


def user(parser: argparse.ArgumentParser, what: str = "user (name or id)") -> None:
    parser.add_argument("--user", metavar="<user>", help=what)
    parser.add_argument("--user-domain", metavar="<user-domain>", help="domain of that user")


def yes_no(
    parser: argparse.ArgumentParser, yes: str, no: str, about: str, dest: str = "", default: bool | None = None
) -> None:
    """Two options that exclude each other; None where neither is given."""
    group = parser.add_mutually_exclusive_group()
    name = dest or yes.strip("-").replace("-", "_")
    group.add_argument(yes, dest=name, action="store_true", default=default, help=f"{about}: yes")
    group.add_argument(no, dest=name, action="store_false", default=default, help=f"{about}: no")


def given(**values: Any) -> dict[str, Any]:
    """Without those that nobody gave."""
    return {name: value for name, value in values.items() if value is not None}


def each(names_or_ids: Sequence[str], what: str, act: Callable[[str], object]) -> None:
    """Do it to every one, go on after a failure, and raise CommandError at the end if there was any."""
    failed = 0
    for name in names_or_ids:
        try:
            act(name)
        except (CloudRefusedError, CommandError) as err:
            failed += 1
            logger.error("%s: %s", name, err)
    if failed:
        raise CommandError(f"{failed} of {len(names_or_ids)} {what}.")
