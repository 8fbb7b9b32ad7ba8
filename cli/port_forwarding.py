"""`cumulet floating ip port forwarding …`: single ports of a floating IP that lead to servers."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud, part
from cli.fields import Field, same, show, table
from cli.resource import Option

_LIST = (
    Field("ID", "id"), Field("Internal Port ID", "internal_port_id"), Field("Internal IP Address", "internal_ip_address"),
    Field("Internal Port", "internal_port"), Field("Internal Port Range", "internal_port_range"),
    Field("External Port", "external_port"), Field("External Port Range", "external_port_range"),
    Field("Protocol", "protocol"), Field("Description", "description"),
)  # fmt: skip
_SHOW = same(
    "description", "external_port", "external_port_range", "floatingip_id", "id", "internal_ip_address", "internal_port",
    "internal_port_id", "internal_port_range", "protocol",
)  # fmt: skip
_PORTS = (("--internal-protocol-port", "internal_port"), ("--external-protocol-port", "external_port"))


class ListForwardings(Lister):  # type: ignore[misc]
    """List the ports of a floating IP that lead somewhere."""

    filters = (
        Option("--port", "internal_port_id", "to this port (name or id)", kind=find.PORT),
        Option("--external-protocol-port", "external_port", "of this number outside", metavar="<port-number>"),
        Option("--protocol", "protocol", "of this protocol"),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.FLOATING_IP)
        resource.add(parser, self.filters)
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        query = resource.values(cloud, parsed_args, self.filters) | options.page(parsed_args)
        return table(_LIST, cloud.pages(_path(cloud, parsed_args), "port_forwardings", "network", **query))


class ShowForwarding(ShowOne):  # type: ignore[misc]
    """Show one port forwarding."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = f"{_path(cloud, parsed_args)}/{part(parsed_args.port_forwarding)}"
        return _shown(cloud, parsed_args, cloud.get(path, "network"))


class CreateForwarding(ShowOne):  # type: ignore[misc]
    """Let a port of a floating IP lead to a port of a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--internal-ip-address", required=True, metavar="<internal-ip-address>", help="of the server"
        )
        parser.add_argument("--port", required=True, metavar="<port>", help="the server's port (name or id)")
        for name, _ in _PORTS:
            parser.add_argument(name, required=True, metavar="<port-number>", help="number, or first:last")
        parser.add_argument("--protocol", required=True, metavar="<protocol>", help="tcp or udp")
        parser.add_argument("--description", metavar="<description>", help="description")
        resource.positional(parser, find.FLOATING_IP)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        body = {"port_forwarding": _wanted(cloud, parsed_args)}
        made = cloud.send("POST", _path(cloud, parsed_args), body, service_type="network")
        return _shown(cloud, parsed_args, made)


class SetForwarding(Command):  # type: ignore[misc]
    """Change where a port of a floating IP leads to."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name))
        parser.add_argument("--internal-ip-address", metavar="<internal-ip-address>", help="of the server")
        parser.add_argument("--port", metavar="<port>", help="the server's port (name or id)")
        for name, _ in _PORTS:
            parser.add_argument(name, metavar="<port-number>", help="number, or first:last")
        parser.add_argument("--protocol", choices=("tcp", "udp"), metavar="<protocol>", help="tcp or udp")
        parser.add_argument("--description", metavar="<description>", help="description")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = f"{_path(cloud, parsed_args)}/{part(parsed_args.port_forwarding)}"
        wanted = _wanted(cloud, parsed_args)
        if wanted:
            cloud.send("PUT", path, {"port_forwarding": wanted}, service_type="network")


class DeleteForwardings(Command):  # type: ignore[misc]
    """Delete port forwardings."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.FLOATING_IP)
        parser.add_argument("ids", nargs="+", metavar="<port-forwarding-id>", help="id of a port forwarding")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = _path(cloud, parsed_args)

        def delete(forwarding_id: str) -> None:
            cloud.send("DELETE", f"{path}/{part(forwarding_id)}", service_type="network")

        options.each(parsed_args.ids, "port forwardings could not be deleted", delete)


def _parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    resource.positional(parser, find.FLOATING_IP)
    parser.add_argument("port_forwarding", metavar="<port-forwarding-id>", help="id of the port forwarding")
    return parser


def _path(cloud: Cloud, parsed_args: argparse.Namespace) -> str:
    return f"{resource.path_of(cloud, find.FLOATING_IP, parsed_args.thing)}/port_forwardings"


def _wanted(cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
    wanted = options.given(
        internal_ip_address=parsed_args.internal_ip_address, protocol=parsed_args.protocol,
        internal_port_id=find.id_of(cloud, find.PORT, parsed_args.port), description=parsed_args.description,
    )  # fmt: skip
    for option, key in _PORTS:
        text = getattr(parsed_args, option.strip("-").replace("-", "_"))
        if text is not None:
            wanted |= {f"{key}_range": text} if ":" in text else {key: options.number(text, option)}
    return wanted


def _shown(cloud: Cloud, parsed_args: argparse.Namespace, answer: dict[str, Any]) -> Any:
    floating_ip = find.id_of(cloud, find.FLOATING_IP, parsed_args.thing)
    return show(_SHOW, {"floatingip_id": floating_ip, **answer["port_forwarding"]})
