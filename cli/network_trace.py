"""`cumulet network trace`: where a packet of a server would go, and what stops it."""

from __future__ import annotations

import argparse
import ipaddress
from typing import Any

from cliff.command import Command

from cli import find
from cli.cloud import Cloud

FIELDS = ("server", "source", "target", "protocol", "port", "verdict", "reason", "hops")
_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_VERDICTS = {
    "passes": "passes, and so does the answer", "stopped": "STOPPED", "leaves": "leaves the cloud, and the answer passes",
    "handed_on": "is handed to a server that must route it on",
}  # fmt: skip


class Trace(Command):  # type: ignore[misc]
    """Say hop by hop whether a packet from a server would pass, and what stops it. Exit status 1 when it is stopped."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="SERVER", help="who sends: id or name of a server")
        parser.add_argument("target", metavar="TARGET", help="a server, an address, a floating IP, or `outside`")
        parser.add_argument(
            "--protocol", metavar="<protocol>", help="a name or number (default: tcp with --port, else icmp)"
        )
        parser.add_argument("--port", type=int, metavar="<port>", help="of the target")
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="form of the output")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        cloud: Cloud = self.app.cloud()
        server_id = find.server_id(cloud, parsed_args.server)
        protocol = parsed_args.protocol or ("icmp" if parsed_args.port is None else "tcp")
        answer = cloud.get(
            f"/servers/{server_id}/trace",
            target=_target(cloud, parsed_args.target),
            protocol=protocol,
            port=parsed_args.port,
        )["trace"]
        if parsed_args.format == "json":
            import json

            self.app.stdout.write(json.dumps({name: answer[name] for name in FIELDS}, indent=2) + "\n")
        else:
            self.app.stdout.write(render(answer))
        return 1 if answer["verdict"] == "stopped" else 0


def _target(cloud: Cloud, text: str) -> str:
    if text == "outside":
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return find.server_id(cloud, text)


def render(answer: dict[str, Any]) -> str:
    """The hops as a person reads them, from top to bottom."""
    what = _NAMES.get(answer["protocol"], f"protocol {answer['protocol']}")
    port = f" {answer['port']}" if answer["port"] is not None else ""
    lines = [f"{what}{port} from {answer['source']} to {answer['target']}: {_VERDICTS[answer['verdict']]}"]
    if answer["verdict"] == "stopped":
        lines.append(f"Because  {answer['reason']}")
    lines.append("")
    answering = False
    for number, hop in enumerate(answer["hops"], 1):
        if hop["answer"] and not answering:
            answering = True
            lines.append("the answer:")
        where = " ".join(each for each in (hop["node"], hop["device"]) if each)
        detail = f" ({hop['detail']})" if hop["detail"] else ""
        lines.append(f"{number:>3} {'ok  ' if hop['passes'] else 'STOP'} {hop['at']:<14} {hop['what']}{detail}")
        if where:
            lines.append(f"{'':>24}{where}")
    return "\n".join(lines) + "\n"
