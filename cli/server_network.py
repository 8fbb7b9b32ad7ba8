"""`cumulet server add …` and `server remove …`: a server's ports, networks, addresses and floating IPs."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.show import ShowOne

from cli import find, options, wait
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dicts, Field, show
from cli.server_list import one

_INTERFACE = (
    Field("Fixed IPs", "fixed_ips", Dicts), Field("MAC Address", "mac_addr"), Field("Network ID", "net_id"),
    Field("Port ID", "port_id"), Field("Port State", "port_state"), Field("Server ID", "server_id"), Field("Tag", "tag"),
)  # fmt: skip


class AddPort(Command):  # type: ignore[misc]
    """Give a server a port."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _waiting(_parser(super().get_parser(prog_name), "port", "port (name or id)"))
        parser.add_argument("--tag", metavar="<tag>", help="tag of the device in the guest's metadata")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        _, server_id = _attach(cloud, parsed_args, port_id=find.id_of(cloud, find.PORT, parsed_args.port))
        _wait(self.app, parsed_args, server_id)


class AddNetwork(Command):  # type: ignore[misc]
    """Give a server a new port on a network."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _waiting(_parser(super().get_parser(prog_name), "network", "network (name or id)"))
        parser.add_argument("--tag", metavar="<tag>", help="tag of the device in the guest's metadata")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        _, server_id = _attach(cloud, parsed_args, net_id=find.id_of(cloud, find.NETWORK, parsed_args.network))
        _wait(self.app, parsed_args, server_id)


class AddFixedIp(ShowOne):  # type: ignore[misc]
    """Give a server a new port on a network, with an address of it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _waiting(_parser(super().get_parser(prog_name), "network", "network (name or id)"))
        parser.add_argument("--fixed-ip-address", metavar="<ip-address>", help="this address")
        parser.add_argument("--tag", metavar="<tag>", help="tag of the device in the guest's metadata")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        address = parsed_args.fixed_ip_address
        made, server_id = _attach(
            cloud, parsed_args, net_id=find.id_of(cloud, find.NETWORK, parsed_args.network),
            fixed_ips=[{"ip_address": address}] if address else None,
        )  # fmt: skip
        _wait(self.app, parsed_args, server_id)
        columns = _INTERFACE if made.get("tag") is not None else _INTERFACE[:-1]
        return show(columns, {**made, "server_id": server_id})


class RemovePort(Command):  # type: ignore[misc]
    """Take a port from a server; one that was made for it is deleted."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _waiting(_parser(super().get_parser(prog_name), "port", "port (name or id)"))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        port_id = find.id_of(cloud, find.PORT, parsed_args.port)
        cloud.send("DELETE", f"/servers/{server_id}/os-interface/{port_id}", service_type="compute")
        _wait(self.app, parsed_args, server_id)


class RemoveNetwork(Command):  # type: ignore[misc]
    """Take all ports on a network from a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _waiting(_parser(super().get_parser(prog_name), "network", "network (name or id)"))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        network_id = find.id_of(cloud, find.NETWORK, parsed_args.network)
        found = [item for item in _interfaces(cloud, server_id) if item["net_id"] == network_id]
        if not found:
            raise CommandError(f"Server {parsed_args.server} has no port on network {parsed_args.network}.")
        for item in found:
            cloud.send("DELETE", f"/servers/{server_id}/os-interface/{item['port_id']}", service_type="compute")
            _wait(self.app, parsed_args, server_id)


class RemoveFixedIp(Command):  # type: ignore[misc]
    """Take an address from a server, and the port with it if it has no other."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _waiting(_parser(super().get_parser(prog_name), "ip_address", "address"))

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id, address = one(cloud, parsed_args.server)["id"], parsed_args.ip_address
        for port in cloud.pages("/ports", "ports", "network", device_id=server_id):
            left = [item for item in port["fixed_ips"] if item["ip_address"] != address]
            if len(left) == len(port["fixed_ips"]):
                continue
            if left:
                cloud.send("PUT", f"/ports/{port['id']}", {"port": {"fixed_ips": left}}, service_type="network")
            else:
                cloud.send("DELETE", f"/servers/{server_id}/os-interface/{port['id']}", service_type="compute")
                _wait(self.app, parsed_args, server_id)
            return
        raise CommandError(f"Server {parsed_args.server} has no address {address}; see `cumulet port list --server`.")


class AddFloatingIp(Command):  # type: ignore[misc]
    """Let a floating IP lead to a server: to the first of its ports whose network a router leads outside from."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _parser(super().get_parser(prog_name), "ip_address", "floating IP (address or id)")
        parser.add_argument("--fixed-ip-address", metavar="<ip-address>", help="which of the server's addresses")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from cli.errors import CloudRefusedError

        cloud: Cloud = self.app.cloud()
        server_id, fixed = one(cloud, parsed_args.server)["id"], parsed_args.fixed_ip_address
        address = find.one(cloud, find.FLOATING_IP, parsed_args.ip_address)
        ports = [
            port
            for port in cloud.pages("/ports", "ports", "network", device_id=server_id)
            if fixed is None or any(item["ip_address"] == fixed for item in port["fixed_ips"])
        ]
        if not ports:
            raise CommandError(f"Server {parsed_args.server} has no port{f' with address {fixed}' if fixed else ''}.")
        for index, port in enumerate(ports):
            wanted = {"port_id": port["id"]} | options.given(fixed_ip_address=fixed)
            try:
                _lead(cloud, address, wanted)
            except CloudRefusedError as err:
                if err.status not in (400, 404) or index == len(ports) - 1:
                    raise
            else:
                return


class RemoveFloatingIp(Command):  # type: ignore[misc]
    """Let a floating IP no longer lead to a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _parser(super().get_parser(prog_name), "ip_address", "floating IP (address or id)")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        address = find.one(cloud, find.FLOATING_IP, parsed_args.ip_address)
        ports = {port["id"] for port in cloud.pages("/ports", "ports", "network", device_id=server_id)}
        if address["port_id"] not in ports:
            raise CommandError(
                f"{address['floating_ip_address']} does not lead to server {parsed_args.server}; see `cumulet floating ip list`."
            )
        _lead(cloud, address, {"port_id": None})


def _parser(parser: argparse.ArgumentParser, name: str, about: str) -> argparse.ArgumentParser:
    parser.add_argument("server", metavar="<server>", help="server (name or id)")
    parser.add_argument(name, metavar=f"<{name.replace('_', '-')}>", help=about)
    return parser


def _waiting(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--wait", action="store_true", help="until the server has it, or is without it")
    return parser


def _wait(app: Any, parsed_args: argparse.Namespace, server_id: str) -> None:
    if parsed_args.wait:
        wait.for_operation(app.cloud(), app.stderr, f"server {parsed_args.server}", server_id)


def _attach(cloud: Cloud, parsed_args: argparse.Namespace, **wanted: Any) -> tuple[dict[str, Any], str]:
    """The new interface, and the server's id."""
    server_id = one(cloud, parsed_args.server)["id"]
    body = {"interfaceAttachment": options.given(**wanted, tag=parsed_args.tag)}
    made = cloud.send("POST", f"/servers/{server_id}/os-interface", body, service_type="compute")
    return made["interfaceAttachment"], server_id


def _interfaces(cloud: Cloud, server_id: str) -> list[dict[str, Any]]:
    return list(cloud.get(f"/servers/{server_id}/os-interface", "compute")["interfaceAttachments"])


def _lead(cloud: Cloud, address: dict[str, Any], wanted: dict[str, Any]) -> None:
    cloud.send("PUT", f"/floatingips/{address['id']}", {"floatingip": wanted}, service_type="network")
