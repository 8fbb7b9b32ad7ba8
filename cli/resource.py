"""Commands that differ only in what they are about: a noun names its kind, its columns and its options, in tables.

What a noun does beside that, such as options that need a look at other things, is in `more` of its own class.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, tags
from cli.fields import Field, show, table
from cli.find import Kind

if TYPE_CHECKING:
    from cli.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Option:
    """An option, and the key that its value has in a query or a body.

    kind: its value is the name or id of one of these, and its id is what is sent. no: the option that says the opposite;
    neither takes a value then. const: what is sent where the option takes no value; such options exclude each other.
    """

    name: str
    key: str
    about: str
    metavar: str = ""
    kind: Kind | None = None
    no: str = ""
    const: Any = None
    type: Callable[[str], Any] = str
    choices: Sequence[Any] | None = None
    many: bool = False
    required: bool = False

    @property
    def dest(self) -> str:
        return self.name.strip("-").replace("-", "_")


def add(parser: argparse.ArgumentParser, wanted: Sequence[Option]) -> None:
    exclusive: dict[str, Any] = {}
    for option in wanted:
        if option.no:
            options.yes_no(parser, option.name, option.no, option.about, option.dest)
            continue
        if option.const is not None:
            group = exclusive.setdefault(option.key, parser.add_mutually_exclusive_group())
            group.add_argument(
                option.name, dest=option.dest, action="store_const", const=option.const, help=option.about
            )
            continue
        parser.add_argument(
            option.name, action="append" if option.many else "store", type=option.type, choices=option.choices,
            metavar=option.metavar or f"<{option.name.strip('-')}>", help=option.about, required=option.required,
        )  # fmt: skip


def values(cloud: Cloud, parsed_args: argparse.Namespace, wanted: Sequence[Option]) -> dict[str, Any]:
    """Those that were given."""
    found: dict[str, Any] = {}
    for option in wanted:
        value = getattr(parsed_args, option.dest)
        if value is None:
            continue
        if option.kind is not None:
            value = (
                [find.id_of(cloud, option.kind, one) for one in value]
                if option.many
                else find.id_of(cloud, option.kind, value)
            )
        found[option.key] = value
    return found


class ListThings(Lister):  # type: ignore[misc]
    """A list: long_columns are those that --long shows instead; extra what is always in the query."""

    kind: ClassVar[Kind]
    columns: ClassVar[Sequence[Field]]
    long_columns: ClassVar[Sequence[Field]] = ()
    filters: ClassVar[Sequence[Option]] = ()
    of_project: ClassVar[bool] = True
    tagged: ClassVar[bool] = False
    paged: ClassVar[bool] = True
    max_items: ClassVar[bool] = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        if self.long_columns:
            parser.add_argument("--long", action="store_true", help="more columns")
        add(parser, self.filters)
        if self.of_project:
            options.project(parser, "of this project (name or id; administrators)")
        if self.tagged:
            tags.add_filters(parser)
        if self.paged:
            options.paging(parser, max_items=self.max_items)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        query = values(cloud, parsed_args, self.filters)
        if self.of_project:
            query |= options.given(project_id=project_id(cloud, parsed_args))
        if self.tagged:
            query |= tags.query(parsed_args)
        if self.paged:
            query |= options.page(parsed_args)
        query |= self.more(cloud, parsed_args)
        found = cloud.pages(self.at(cloud, parsed_args), self.kind.plural, self.kind.service, **query)
        return table(self.shown(parsed_args), self.rows(cloud, found))

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """What else the query says."""
        return {}

    def at(self, cloud: Cloud, parsed_args: argparse.Namespace) -> str:
        """The list's path."""
        return self.kind.lists_at or self.kind.path

    def rows(self, cloud: Cloud, found: Any) -> Any:
        """What the list has, made ready for the columns."""
        return found

    def shown(self, parsed_args: argparse.Namespace) -> Sequence[Field]:
        return self.long_columns if self.long_columns and parsed_args.long else self.columns


class ShowThing(ShowOne):  # type: ignore[misc]
    """One thing by name or id."""

    kind: ClassVar[Kind]
    columns: ClassVar[Sequence[Field]]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        positional(parser, self.kind)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        thing = self.ready(cloud, find.one(cloud, self.kind, parsed_args.thing))
        return show(self.shown(thing), thing)

    def ready(self, cloud: Cloud, thing: dict[str, Any]) -> dict[str, Any]:
        """The thing with what its columns need beside its own answer."""
        return thing

    def shown(self, thing: dict[str, Any]) -> Sequence[Field]:
        return self.columns


class DeleteThings(Command):  # type: ignore[misc]
    """Any number of things by name or id."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, self.kind.noun.rpartition(" ")[2])
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", path_of(cloud, self.kind, name), service_type=self.kind.service)

        options.each(parsed_args.names, f"{find.many(self.kind)} could not be deleted", delete)


class DeleteForcibly(Command):  # type: ignore[misc]
    """The same for what takes a while to go, and may be told to go whatever state it is in."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, self.kind.singular)
        parser.add_argument("--force", action="store_true", help="whatever state they are in (administrators)")
        parser.add_argument("--wait", action="store_true", help="until they are gone")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from cli import wait
        from cli.cloud import part

        cloud: Cloud = self.app.cloud()
        kind = self.kind

        def delete(name: str) -> None:
            its_id = find.one(cloud, kind, name)["id"]
            at = f"{kind.path}/{part(its_id)}"
            if parsed_args.force:
                cloud.send("POST", f"{at}/action", {"os-force_delete": {}}, service_type=kind.service)
            else:
                cloud.send("DELETE", at, service_type=kind.service)
            if parsed_args.wait:
                wait.for_operation(cloud, self.app.stderr, f"{kind.singular} {name}", its_id)

        options.each(parsed_args.names, f"{kind.plural} could not be deleted", delete)


class CreateThing(ShowOne):  # type: ignore[misc]
    """A thing from a name and options; what was made is shown. named: it has a name, which comes first."""

    kind: ClassVar[Kind]
    columns: ClassVar[Sequence[Field]]
    body: ClassVar[Sequence[Option]] = ()
    named: ClassVar[bool] = True
    for_project: ClassVar[bool] = True
    tagged: ClassVar[bool] = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        if self.named:
            parser.add_argument("name", metavar="<name>", help="name")
        add(parser, self.body)
        if self.for_project:
            options.project(parser)
        if self.tagged:
            tags.add_for_create(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = values(cloud, parsed_args, self.body) | self.more(cloud, parsed_args)
        if self.named:
            wanted["name"] = parsed_args.name
        if self.for_project:
            wanted |= options.given(project_id=project_id(cloud, parsed_args))
        made = cloud.send(
            "POST", self.at(cloud, parsed_args), {self.kind.singular: wanted}, service_type=self.kind.service
        )[self.kind.singular]
        if self.tagged and parsed_args.tags:
            tags.replace(cloud, self.kind, made["id"], parsed_args.tags)
            made = {**made, "tags": parsed_args.tags}
        made = self.ready(cloud, made)
        return show(self.shown(made), made)

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """What else the body says."""
        return {}

    def at(self, cloud: Cloud, parsed_args: argparse.Namespace) -> str:
        """The path that it is posted to."""
        return self.kind.path

    def ready(self, cloud: Cloud, made: dict[str, Any]) -> dict[str, Any]:
        return made

    def shown(self, thing: dict[str, Any]) -> Sequence[Field]:
        return self.columns


class SetThing(Command):  # type: ignore[misc]
    """Change a thing. renamed: it has a name that can be changed."""

    kind: ClassVar[Kind]
    body: ClassVar[Sequence[Option]] = ()
    renamed: ClassVar[bool] = True
    tagged: ClassVar[bool] = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        positional(parser, self.kind)
        if self.renamed:
            parser.add_argument("--name", metavar="<name>", help="new name")
        add(parser, self.body)
        if self.tagged:
            tags.add_for_set(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        thing = find.one(cloud, self.kind, parsed_args.thing)
        wanted = values(cloud, parsed_args, self.body) | self.more(cloud, parsed_args, thing)
        if self.renamed:
            wanted |= options.given(name=parsed_args.name)
        change(cloud, self.kind, thing, wanted)
        if self.tagged:
            tags.change(cloud, self.kind, thing, parsed_args)

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        """What else the body says."""
        return {}


class UnsetTags(Command):  # type: ignore[misc]
    """Remove tags of a thing that has nothing else to remove."""

    kind: ClassVar[Kind]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        positional(parser, self.kind)
        tags.add_for_unset(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        tags.remove(cloud, self.kind, find.one(cloud, self.kind, parsed_args.thing), parsed_args)


def change(cloud: Cloud, kind: Kind, thing: Mapping[str, Any], wanted: dict[str, Any]) -> None:
    """Ask for what is wanted of a thing; nothing to say is nothing to do. The identity service's verb is another."""
    if wanted:
        verb = "PATCH" if kind.service == "identity" else "PUT"
        cloud.send(verb, f"{kind.path}/{thing['id']}", {kind.singular: wanted}, service_type=kind.service)


def positional(parser: argparse.ArgumentParser, kind: Kind) -> None:
    parser.add_argument("thing", metavar=f"<{kind.noun.replace(' ', '-')}>", help=f"{kind.noun} (name or id)")


def path_of(cloud: Cloud, kind: Kind, name_or_id: str) -> str:
    from cli.cloud import part

    return f"{kind.path}/{part(str(find.one(cloud, kind, name_or_id)['id']))}"


def project_id(cloud: Cloud, parsed_args: argparse.Namespace) -> str | None:
    return find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)


def without(there: Sequence[Any], removed: Sequence[Any] | None, what: str) -> list[Any]:
    """What is left. Raises CommandError for one that is not there."""
    from cli.errors import CommandError

    left = list(there)
    for one in removed or ():
        if one not in left:
            raise CommandError(f"There is no {what} {one} to remove; there are: {', '.join(map(str, left)) or 'none'}.")
        left.remove(one)
    return left
