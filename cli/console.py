"""`cumulet console url show` and `console connection show`: where a server's screen is."""

from __future__ import annotations

import argparse
import re
from typing import Any

from cliff.show import ShowOne

from cli.cloud import Cloud, part
from cli.fields import same, show
from cli.server_list import one

_TOKEN = re.compile(r"token(?:=|%3D)([\w-]+)")
#: option -> protocol, type of the API, about
_KINDS = {
    "novnc": ("vnc", "novnc", "a screen in the browser (default)"),
    "spice": ("spice", "spice-html5", "a SPICE screen in the browser"),
    "serial": ("serial", "serial", "the serial console, a web socket"),
    "rdp": ("rdp", "rdp-html5", "an RDP screen in the browser"), "mks": ("mks", "webmks", "a WebMKS screen"),
}  # fmt: skip


class ShowConsoleUrl(ShowOne):  # type: ignore[misc]
    """Show an address that a server's console can be opened at for a time."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        which = parser.add_mutually_exclusive_group()
        for name, (_, _, about) in _KINDS.items():
            which.add_argument(f"--{name}", dest="kind", action="store_const", const=name, default="novnc", help=about)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        protocol, kind, _ = _KINDS[parsed_args.kind]
        path = f"/servers/{one(cloud, parsed_args.server)['id']}/remote-consoles"
        body = {"remote_console": {"protocol": protocol, "type": kind}}
        made = cloud.post(path, body, "compute")["remote_console"]
        return show(same("protocol", "type", "url"), made)


class ShowConsoleConnection(ShowOne):  # type: ignore[misc]
    """Show what a console's token leads to (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("token", metavar="<token>", help="token, or the address that it is in")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        inside = _TOKEN.search(parsed_args.token)
        token = part(inside[1] if inside else parsed_args.token)
        answer = self.app.cloud().get(f"/os-console-auth-tokens/{token}", "compute")["console"]
        return show(same("host", "instance_uuid", "internal_access_path", "port", "tls_port"), answer)
