"""`cumulet server create`: as `openstack` where flavor and image are given; what is left out is chosen, and told."""

from __future__ import annotations

import argparse
import base64
import os
from typing import Any

from cliff.show import ShowOne

from cli import find, options, server_disks, wait
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.server_list import shown

_GIB = 1024**3
_MOST_USER_DATA = 65535
#: what a server that boots from a volume asks of its flavor
_NO_IMAGE: dict[str, Any] = {"id": None, "name": "none", "min_disk": 0, "min_ram": 0}


class CreateServer(ShowOne):  # type: ignore[misc]
    """Create a server. Without --flavor or --image a sensible choice is made of all that isn't given, and told."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<server-name>", help="name")
        parser.add_argument("--flavor", metavar="<flavor>", help="flavor (default: the smallest that the image allows)")
        image = parser.add_mutually_exclusive_group()
        image.add_argument("--image", metavar="<image>", help="image (default: the newest active one)")
        image.add_argument(
            "--image-property", action=options.KeyValue, metavar="<key=value>", help="the image with this"
        )
        server_disks.add_boot_options(parser, image)
        _network_options(parser)
        _other_options(parser)
        parser.add_argument("--wait", action="store_true", help="until it runs, telling the steps")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        server, chosen = _server(cloud, parsed_args)
        if chosen:
            self.app.stderr.write(f"Chosen: {'; '.join(chosen)}.\n")
        body: dict[str, Any] = {"server": server}
        hints = dict(parsed_args.hint or {})
        if parsed_args.server_group:
            hints["group"] = find.one(cloud, find.SERVER_GROUP, parsed_args.server_group)["id"]
        if hints:
            body["os:scheduler_hints"] = hints
        made = cloud.send("POST", "/servers", body, service_type="compute")["server"]
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"server {parsed_args.name}", made["id"])
        return shown(cloud, made["id"])


def _network_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("networks", "Default: the only network, or the one called `shared`.")
    nics: dict[str, Any] = {"action": "append", "dest": "nics"}
    group.add_argument(
        "--network", metavar="<network>", type=lambda text: ("network", text), help="network (name or id)", **nics
    )
    group.add_argument("--port", metavar="<port>", type=lambda text: ("port", text), help="port (name or id)", **nics)
    group.add_argument(
        "--nic", metavar="<net-id=net-uuid,port-id=port-uuid,v4-fixed-ip=ip-addr,v6-fixed-ip=ip-addr,auto,none>",
        type=_nic, help="an interface in one text; `auto` or `none` alone", **nics,
    )  # fmt: skip
    group.add_argument(
        "--no-network", action="store_const", const=[("none", "")], dest="nics", help="no interface at all"
    )
    group.add_argument(
        "--auto-network", action="store_const", const=[("auto", "")], dest="nics", help="the cloud chooses"
    )


def _other_options(parser: argparse.ArgumentParser) -> None:
    groups = parser.add_mutually_exclusive_group()
    groups.add_argument("--security-group", action="append", metavar="<security-group>", help="group (name or id)")
    groups.add_argument("--no-security-group", action="store_true", help="of no group")
    parser.add_argument("--key-name", metavar="<key-name>", help="keypair (default: your only one)")
    options.properties(parser)
    parser.add_argument("--user-data", metavar="<user-data>", help="file for cloud-init")
    parser.add_argument("--description", metavar="<description>", help="description")
    parser.add_argument("--availability-zone", metavar="<zone-name>", help="zone, or zone:node (administrators)")
    parser.add_argument("--host", metavar="<host>", help="node to run on (administrators)")
    parser.add_argument("--hypervisor-hostname", metavar="<hypervisor-hostname>", help="the same (administrators)")
    parser.add_argument("--server-group", metavar="<server-group>", help="server group that it joins (name or id)")
    parser.add_argument("--hostname", metavar="<hostname>", help="its own host name (default: made of the name)")
    parser.add_argument("--hint", action=options.KeyValue, metavar="<key=value>", help="for the scheduler")
    options.yes_no(parser, "--use-config-drive", "--no-config-drive", "a config drive", "config_drive")
    parser.add_argument("--min", type=int, default=1, metavar="<count>", help="at least so many (1)")
    parser.add_argument("--max", type=int, default=1, metavar="<count>", help="at most so many (1)")
    parser.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag (may be repeated)")


def _server(cloud: Cloud, parsed_args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """The request, and in words what was chosen. Both flavor and image given: nothing else is chosen here."""
    elsewhere = server_disks.boots_elsewhere(parsed_args)
    free = not parsed_args.flavor or not (parsed_args.image or parsed_args.image_property or elsewhere)
    chosen: list[str] = []
    image = _NO_IMAGE if elsewhere and not parsed_args.image else _image(cloud, parsed_args, chosen)
    flavor_id = _flavor(cloud, parsed_args.flavor, image, chosen)
    networks = _networks(cloud, parsed_args.nics) if parsed_args.nics else "auto"
    if free and not parsed_args.nics:
        networks = [{"uuid": _only_network(cloud, chosen)}]
    key_name = parsed_args.key_name
    if free and key_name is None:
        key_name = _only_key(cloud, chosen)
    server = options.given(
        name=parsed_args.name, flavorRef=flavor_id, hostname=parsed_args.hostname, networks=networks, key_name=key_name,
        metadata=parsed_args.properties, description=parsed_args.description, tags=parsed_args.tags,
        availability_zone=parsed_args.availability_zone, host=parsed_args.host, config_drive=parsed_args.config_drive,
        hypervisor_hostname=parsed_args.hypervisor_hostname, user_data=user_data(parsed_args.user_data),
    )  # fmt: skip
    disks = server_disks.devices(cloud, parsed_args, image["id"])
    if disks:
        server["block_device_mapping_v2"] = disks
    if image["id"] is not None and parsed_args.boot_from_volume is None:
        server["imageRef"] = image["id"]
    if parsed_args.security_group:
        server["security_groups"] = [{"name": name} for name in parsed_args.security_group]
    elif parsed_args.no_security_group:
        server["security_groups"] = []
    if (parsed_args.min, parsed_args.max) != (1, 1):
        server |= {"min_count": parsed_args.min, "max_count": max(parsed_args.min, parsed_args.max)}
    return server, chosen


def _image(cloud: Cloud, parsed_args: argparse.Namespace, chosen: list[str]) -> dict[str, Any]:
    if parsed_args.image:
        return find.one(cloud, find.IMAGE, parsed_args.image)
    query = {"status": "active", "sort": "created_at:desc", **(parsed_args.image_property or {})}
    bootable = [
        image
        for image in cloud.pages("/images", "images", "image", **query)
        if image["disk_format"] in ("qcow2", "raw")
    ]
    if not bootable:
        raise CommandError(
            "There is no active image to boot from: make one with `cumulet image create --file FILE NAME`."
        )
    chosen.append(f"image {bootable[0]['name']} (the newest)")
    return bootable[0]


def _flavor(cloud: Cloud, name: str | None, image: dict[str, Any], chosen: list[str]) -> str:
    if name is not None:
        return str(find.one(cloud, find.FLAVOR, name)["id"])
    needs_gib = max(image["min_disk"] or 0, -(-int(image.get("virtual_size") or image.get("size") or 0) // _GIB))
    fitting = [
        flavor for flavor in cloud.pages("/flavors/detail", "flavors", "compute")
        if flavor["ram"] >= (image["min_ram"] or 0) and (flavor["disk"] == 0 or flavor["disk"] >= needs_gib)
    ]  # fmt: skip
    if not fitting:
        raise CommandError(
            f"No flavor is large enough for image {image['name']}, which needs {image['min_ram'] or 0} MiB of memory and "
            f"{needs_gib} GiB of disk: name another with --image, or have a flavor made."
        )
    best = min(fitting, key=lambda flavor: (flavor["ram"], flavor["vcpus"], flavor["disk"], flavor["name"]))
    chosen.append(f"flavor {best['name']} (the smallest that the image allows)")
    return str(best["id"])


def _only_network(cloud: Cloud, chosen: list[str]) -> str:
    """Raises CommandError when it is not clear which."""
    usable = [net for net in cloud.pages("/networks", "networks", "network", admin_state_up=True) if net["subnets"]]
    usable = [net for net in usable if not net.get("router:external")]
    if not usable:
        raise CommandError("There is no network with a subnet: make one, or give --no-network.")
    shared = [net for net in usable if net["name"] == "shared"]
    if len(usable) > 1 and len(shared) != 1:
        names = ", ".join(sorted(net["name"] or net["id"] for net in usable))
        raise CommandError(f"There are {len(usable)} networks: name one with --network ({names}).")
    only = usable[0] if len(usable) == 1 else shared[0]
    chosen.append(f"network {only['name']}" + (" (the only one)" if len(usable) == 1 else ""))
    return str(only["id"])


def _only_key(cloud: Cloud, chosen: list[str]) -> str | None:
    """Raises CommandError when it is not clear which."""
    names = sorted(item["keypair"]["name"] for item in cloud.pages("/os-keypairs", "keypairs", "compute"))
    if len(names) > 1:
        raise CommandError(f"You have {len(names)} keypairs: name one with --key-name ({', '.join(names)}).")
    chosen.append(
        f"keypair {names[0]} (your only one)" if names else "no keypair, since you have none: you can't log in by it"
    )
    return names[0] if names else None


def _networks(cloud: Cloud, nics: list[tuple[str, Any]]) -> str | list[dict[str, Any]]:
    """For the API. Raises CommandError for what can't go together."""
    kinds = {kind for kind, _ in nics}
    if kinds & {"auto", "none"}:
        if len(nics) > 1:
            raise CommandError("`auto` and `none` can't be combined with other interfaces.")
        return kinds.pop()
    return [_interface(cloud, kind, value) for kind, value in nics]


def _interface(cloud: Cloud, kind: str, value: Any) -> dict[str, Any]:
    if kind == "network":
        return {"uuid": find.one(cloud, find.NETWORK, value)["id"]}
    if kind == "port":
        return {"port": find.one(cloud, find.PORT, value)["id"]}
    if "port-id" in value:
        return {"port": find.one(cloud, find.PORT, value["port-id"])["id"]}
    fixed = value.get("v4-fixed-ip") or value.get("v6-fixed-ip")
    return options.given(uuid=find.one(cloud, find.NETWORK, value["net-id"])["id"], fixed_ip=fixed)


def _nic(text: str) -> tuple[str, Any]:
    """For argparse."""
    if text in ("auto", "none"):
        return text, ""
    found = options.pairs(text)
    if not set(found) <= {"net-id", "port-id", "v4-fixed-ip", "v6-fixed-ip"} or not {"net-id", "port-id"} & set(found):
        raise argparse.ArgumentTypeError("net-id=… or port-id=…, with v4-fixed-ip=… or v6-fixed-ip=… if you like")
    return "nic", found


def user_data(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        with open(os.path.expanduser(name), "rb") as file:
            text = base64.b64encode(file.read()).decode()
    except OSError as err:
        raise CommandError(f"The user data {name} can't be read: {err.strerror}.") from err
    if len(text) > _MOST_USER_DATA:
        raise CommandError(f"The user data {name} is too long: {_MOST_USER_DATA * 3 // 4} bytes at most.")
    return text
