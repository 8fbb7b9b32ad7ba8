"""`cumulet token`, `catalog`, `service` and `endpoint`: the login, and where the services are."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Endpoints, Field, same, show, table

_SERVICES = (Field("ID", "id"), Field("Name", "name"), Field("Type", "type"))
_SERVICES_LONG = (Field("Description", "description"), Field("Enabled", "enabled"))
_SERVICE = same("id", "name", "type", "enabled", "description")
_ENDPOINTS = (
    Field("ID", "id"), Field("Region", "region_id"), Field("Service Name", "service_name"),
    Field("Service Type", "service_type"), Field("Enabled", "enabled"), Field("Interface", "interface"), Field("URL", "url"),
)  # fmt: skip
_ENDPOINT = (
    *same("enabled", "id", "interface", "region_id", "service_id", "url", "service_name", "service_type"),
    Field("region", "region_id"),
)


class IssueToken(ShowOne):  # type: ignore[misc]
    """Log in, whatever token is kept, and show the new token."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Any:
        access = self.app.cloud().access(fresh=True)
        values = {
            "expires": access.expires.strftime("%Y-%m-%dT%H:%M:%S%z"), "id": access.auth_token,
            "project_id": access.project_id, "user_id": access.user_id, "domain_id": access.domain_id,
            "system": "all" if access.system_scoped else None,
        }  # fmt: skip
        return show([Field(name, name) for name, value in values.items() if value], values)


class RevokeToken(Command):  # type: ignore[misc]
    """Make a token worthless."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("token", metavar="<token>", help="the token")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        headers = {"X-Subject-Token": parsed_args.token}
        self.app.cloud().raw("DELETE", "/auth/tokens", service_type="identity", headers=headers)


class ListCatalog(Lister):  # type: ignore[misc]
    """List the services of the catalogue."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Any:
        columns = (Field("Name", "name"), Field("Type", "type"), Field("Endpoints", "endpoints", Endpoints))
        return table(columns, self.app.cloud().access().service_catalog.catalog)


class ShowCatalog(ShowOne):  # type: ignore[misc]
    """Show one service of the catalogue."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("service", metavar="<service>", help="type or name of the service")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        for entry in self.app.cloud().access().service_catalog.catalog:
            if parsed_args.service in (entry.get("name"), entry["type"]):
                return show((*same("id", "name", "type"), Field("endpoints", "endpoints", Endpoints)), entry)
        raise CommandError(f"The catalogue has no service {parsed_args.service!r}; see `cumulet catalog list`.")


class ListServices(Lister):  # type: ignore[misc]
    """List services (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="more columns")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().pages("/services", "services", "identity")
        return table(_SERVICES + _SERVICES_LONG if parsed_args.long else _SERVICES, found)


class ShowService(ShowOne):  # type: ignore[misc]
    """Show one service (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("service", metavar="<service>", help="service (type, name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return show(_SERVICE, find.one(self.app.cloud(), find.SERVICE, parsed_args.service))


class CreateService(ShowOne):  # type: ignore[misc]
    """Add a service to the catalogue (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="<type>", help="type, such as compute")
        parser.add_argument("--name", metavar="<name>", help="name")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.yes_no(parser, "--enable", "--disable", "enabled", default=True)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        wanted = options.given(
            type=parsed_args.type,
            name=parsed_args.name,
            description=parsed_args.description,
            enabled=parsed_args.enable,
        )
        made = self.app.cloud().send("POST", "/services", {"service": wanted}, service_type="identity")
        return show(_SERVICE, made["service"])


class DeleteServices(Command):  # type: ignore[misc]
    """Remove services from the catalogue, with their endpoints (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "service")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/services/{find.id_of(cloud, find.SERVICE, name)}", service_type="identity")

        options.each(parsed_args.names, "services could not be deleted", delete)


class ListEndpoints(Lister):  # type: ignore[misc]
    """List the addresses of services (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--service", metavar="<service>", help="of this service (type, name or id)")
        parser.add_argument("--interface", metavar="<interface>", help="public, internal or admin")
        parser.add_argument("--region", metavar="<region-id>", help="in this region")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        services = {service["id"]: service for service in cloud.pages("/services", "services", "identity")}
        found = cloud.pages(
            "/endpoints", "endpoints", "identity", service_id=find.id_of(cloud, find.SERVICE, parsed_args.service),
            interface=parsed_args.interface, region_id=parsed_args.region,
        )  # fmt: skip
        return table(_ENDPOINTS, (_with_service(endpoint, services[endpoint["service_id"]]) for endpoint in found))


class ShowEndpoint(ShowOne):  # type: ignore[misc]
    """Show one endpoint (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("endpoint", metavar="<endpoint>", help="id of the endpoint")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud = self.app.cloud()
        endpoint = cloud.get(f"/endpoints/{part(parsed_args.endpoint)}", "identity")["endpoint"]
        return show(_ENDPOINT, _with_service(endpoint, find.one(cloud, find.SERVICE, endpoint["service_id"])))


class CreateEndpoint(ShowOne):  # type: ignore[misc]
    """Add an address of a service (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("service", metavar="<service>", help="service (type, name or id)")
        parser.add_argument(
            "interface", choices=("public", "internal", "admin"), metavar="<interface>", help="for whom"
        )
        parser.add_argument("url", metavar="<url>", help="the address")
        parser.add_argument("--region", metavar="<region-id>", help="its region")
        options.yes_no(parser, "--enable", "--disable", "enabled", default=True)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud = self.app.cloud()
        service = find.one(cloud, find.SERVICE, parsed_args.service)
        wanted = options.given(
            service_id=service["id"], interface=parsed_args.interface, url=parsed_args.url, enabled=parsed_args.enable,
            region_id=parsed_args.region,
        )  # fmt: skip
        made = cloud.send("POST", "/endpoints", {"endpoint": wanted}, service_type="identity")["endpoint"]
        return show(_ENDPOINT, _with_service(made, service))


class DeleteEndpoints(Command):  # type: ignore[misc]
    """Remove addresses of services (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("endpoint", nargs="+", metavar="<endpoint-id>", help="id of an endpoint")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(endpoint_id: str) -> None:
            cloud.send("DELETE", f"/endpoints/{part(endpoint_id)}", service_type="identity")

        options.each(parsed_args.endpoint, "endpoints could not be deleted", delete)


def _with_service(endpoint: dict[str, Any], service: dict[str, Any]) -> dict[str, Any]:
    return {**endpoint, "service_name": service.get("name"), "service_type": service["type"]}


class SetService(Command):  # type: ignore[misc]
    """Change what the catalogue says of a service (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("service", metavar="<service>", help="service (type, name or id)")
        parser.add_argument("--type", metavar="<type>", help="new type")
        parser.add_argument("--name", metavar="<service-name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.yes_no(parser, "--enable", "--disable", "enabled")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        service_id = find.id_of(cloud, find.SERVICE, parsed_args.service)
        wanted = options.given(
            type=parsed_args.type,
            name=parsed_args.name,
            description=parsed_args.description,
            enabled=parsed_args.enable,
        )
        if wanted:
            cloud.send("PATCH", f"/services/{service_id}", {"service": wanted}, service_type="identity")


class SetEndpoint(Command):  # type: ignore[misc]
    """Change an address of a service (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("endpoint", metavar="<endpoint-id>", help="id of the endpoint")
        parser.add_argument("--region", metavar="<region-id>", help="its region")
        parser.add_argument(
            "--interface", choices=("public", "internal", "admin"), metavar="<interface>", help="for whom"
        )
        parser.add_argument("--url", metavar="<url>", help="the address")
        parser.add_argument("--service", metavar="<service>", help="service (type, name or id)")
        options.yes_no(parser, "--enable", "--disable", "enabled")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            service_id=find.id_of(cloud, find.SERVICE, parsed_args.service), interface=parsed_args.interface,
            url=parsed_args.url, enabled=parsed_args.enable, region_id=parsed_args.region,
        )  # fmt: skip
        if wanted:
            path = f"/endpoints/{part(parsed_args.endpoint)}"
            cloud.send("PATCH", path, {"endpoint": wanted}, service_type="identity")
