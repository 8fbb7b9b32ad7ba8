"""`cumulet usage …`: what projects' servers have used in a time."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from cliff.columns import FormattableColumn
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Field, table

_DEFAULT_DAYS = 28


class _Count(FormattableColumn):  # type: ignore[misc]
    """How many for people; for machines each of them."""

    def human_readable(self) -> str:
        return str(len(self._value or ()))

    def machine_readable(self) -> list[dict[str, Any]]:
        return [{"project_id" if key == "tenant_id" else key: one[key] for key in one} for one in self._value or ()]


class _Hours(FormattableColumn):  # type: ignore[misc]
    """Two digits for people."""

    def human_readable(self) -> str:
        return f"{float(self._value):.2f}"


class _Project(FormattableColumn):  # type: ignore[misc]
    """Its name for people, its id for machines. The value is both."""

    def human_readable(self) -> str:
        return str(self._value[1] or self._value[0])

    def machine_readable(self) -> str:
        return str(self._value[0])


_COLUMNS = (
    Field("Servers", lambda item: item.get("server_usages") or [], _Count),
    Field("RAM MB-Hours", "total_memory_mb_usage", _Hours), Field("CPU Hours", "total_vcpus_usage", _Hours),
    Field("Disk GB-Hours", "total_local_gb_usage", _Hours),
)  # fmt: skip


class ListUsage(Lister):  # type: ignore[misc]
    """List what each project has used (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _times(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        start, end = _start_end(parsed_args)
        found = list(
            cloud.pages(
                "/os-simple-tenant-usage",
                "tenant_usages",
                "compute",
                detailed=1,
                start=start.isoformat(),
                end=end.isoformat(),
            )
        )
        names = {project["id"]: project["name"] for project in cloud.pages("/projects", "projects", "identity")}
        if parsed_args.formatter == "table" and found:
            self.app.stdout.write(f"Usage from {start.date()} to {end.date()}: \n")
        project = Field("Project", lambda item: (item["tenant_id"], names.get(item["tenant_id"])), _Project)
        return table((project, *_COLUMNS), found)


class ShowUsage(ShowOne):  # type: ignore[misc]
    """Show what a project has used (default: the one you work in)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.project(parser, "of this project (administrators)")
        _times(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        asked = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
        project_id = asked or cloud.project_id
        start, end = _start_end(parsed_args)
        path = f"/os-simple-tenant-usage/{part(project_id)}"
        found = cloud.get(path, "compute", start=start.isoformat(), end=end.isoformat())["tenant_usage"]
        if parsed_args.formatter == "table":
            self.app.stdout.write(f"Usage from {start.date()} to {end.date()} on project {project_id}: \n")
        columns = (Field("Project", lambda _item: project_id), *_COLUMNS)
        nothing = {"total_memory_mb_usage": 0, "total_vcpus_usage": 0, "total_local_gb_usage": 0}
        item = {**nothing, **found}
        return tuple(field.title for field in columns), tuple(field.value(item) for field in columns)


def _times(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start", metavar="<start>", help=f"first day, as 2030-01-31 ({_DEFAULT_DAYS} days ago)")
    parser.add_argument("--end", metavar="<end>", help="day after the last (tomorrow)")


def _start_end(parsed_args: argparse.Namespace) -> tuple[datetime, datetime]:
    """Naive, as the API reads them: UTC. Raises CommandError."""
    today = datetime.now(UTC).replace(tzinfo=None)
    start = _day(parsed_args.start) if parsed_args.start else today - timedelta(days=_DEFAULT_DAYS)
    end = _day(parsed_args.end) if parsed_args.end else today + timedelta(days=1)
    return start, end


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - the API's times bear no zone
    except ValueError:
        raise CommandError(f"{text!r} is no day: write it as 2030-01-31.") from None
