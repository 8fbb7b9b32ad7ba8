"""`cumulet top`: nodes, operations and servers on one screen, again and again until q or ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import select
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from cliff.command import Command

from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Addresses
from cli.wait import OPEN
from common.deadlines import CLI_REFRESH_S

_HOME, _CLEAR_REST, _CLEAR_TO_END = "\x1b[H", "\x1b[J", "\x1b[K"
_SCREEN, _NO_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_MOST_SERVERS = 200
_BAR = 10


class Top(Command):  # type: ignore[misc]
    """Watch nodes, operations and servers; q or ctrl-C ends."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--once", action="store_true", help="one picture, then end")
        parser.add_argument(
            "--interval",
            type=float,
            default=CLI_REFRESH_S,
            metavar="<seconds>",
            help=f"time between two ({CLI_REFRESH_S:g})",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        if parsed_args.once:
            size = shutil.get_terminal_size((120, 200))
            self.app.stdout.write("\n".join(frame(read(cloud), size.columns, 10_000)) + "\n")
            return
        if not self.app.stdout.isatty():
            raise CommandError("This is no terminal: use --once.")
        with _screen(self.app.stdout):
            while True:
                size = shutil.get_terminal_size()
                lines = frame(read(cloud), size.columns, size.lines - 1)
                text = "".join(f"{line}{_CLEAR_TO_END}\r\n" for line in lines)
                self.app.stdout.write(f"{_HOME}{text}{_CLEAR_REST}")
                self.app.stdout.flush()
                if _quit_pressed(max(parsed_args.interval, 0.2)):
                    return


def read(cloud: Cloud) -> dict[str, Any]:
    """What is shown: everything for administrators, the project's own for others."""
    everything = cloud.is_admin
    operations = cloud.get(
        "/operations", state=",".join((*OPEN, "stuck")), all_projects="true" if everything else None, limit=50
    )["operations"]
    servers = cloud.get(
        "/servers/detail", "compute", all_tenants="true" if everything else None, limit=_MOST_SERVERS,
        sort_key="updated_at", sort_dir="desc",
    )["servers"]  # fmt: skip
    return {
        "nodes": cloud.get("/nodes")["nodes"] if everything else None,
        "operations": operations, "servers": servers, "at": time.strftime("%H:%M:%S"),
    }  # fmt: skip


def frame(found: dict[str, Any], width: int, height: int) -> list[str]:
    """The lines of one picture, cut to the terminal."""
    servers, operations, nodes = found["servers"], found["operations"], found["nodes"]
    statuses: dict[str, int] = {}
    for server in servers:
        statuses[server["status"]] = statuses.get(server["status"], 0) + 1
    counted = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items())) or "none"
    more = " or more" if len(servers) == _MOST_SERVERS else ""
    lines = [f"cumulet top - {found['at']}   servers: {counted}{more}   operations: {len(operations)} open"]
    if nodes is not None:
        lines += [
            "",
            "NODE              STATE  STATUS    SERVERS  VCPUS                 MEMORY MiB             DISK GiB              LOAD",
        ]
        lines += [_node(node) for node in nodes]
    lines += [
        "",
        "OPERATION                             STATE      ACTION        STEP                ATTEMPT  RESOURCE",
    ]
    lines += [_operation(operation) for operation in operations] or ["(none)"]
    lines += ["", "SERVER                                STATUS     TASK          NAME                ADDRESSES"]
    lines += [_server(server) for server in servers] or ["(none)"]
    return [_printable(line)[:width] for line in lines[: max(height, 1)]]


def _node(node: dict[str, Any]) -> str:
    bars = "  ".join(
        _bar(node["claimed"][name], node["claimable"][name]) for name in ("vcpus", "memory_mib", "disk_gib")
    )
    load = node["used"].get("load_1m")
    return (
        f"{node['name']:<16}  {node['state']:<5}  {node['status']:<8}  {node['instances'] or 0:>7}  {bars}  "
        f"{'' if load is None else load:>4}"
    )


def _bar(used: int, total: int) -> str:
    """Such as [###-------] 3/10."""
    full = min(_BAR, round(_BAR * used / total)) if total else 0
    amounts = f"{used}/{total}"
    return f"[{'#' * full}{'-' * (_BAR - full)}] {amounts:<8}"


def _operation(operation: dict[str, Any]) -> str:
    return (
        f"{operation['id']:<36}  {operation['state']:<9}  {operation['action']:<12}  {operation['step'] or '':<18}  "
        f"{operation['attempt'] or 0:>7}  {operation['resource_id']}"
    )


def _server(server: dict[str, Any]) -> str:
    task = server.get("OS-EXT-STS:task_state") or ""
    addresses = Addresses(server["addresses"]).human_readable()
    return f"{server['id']:<36}  {server['status']:<9}  {task:<12}  {server['name'][:18]:<18}  {addresses}"


def _printable(line: str) -> str:
    """Names are other people's: nothing in them may steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)


@contextlib.contextmanager
def _screen(out: Any) -> Iterator[None]:
    """A screen of its own, keys without return; both given back whatever happens."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None
    out.write(_SCREEN)
    try:
        if before is not None:
            tty.setcbreak(sys.stdin.fileno())
        yield
    except KeyboardInterrupt:
        return
    finally:
        if before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)
        out.write(_NO_SCREEN)
        out.flush()


def _quit_pressed(within_s: float) -> bool:
    if not sys.stdin.isatty():
        time.sleep(within_s)
        return False
    if not select.select([sys.stdin], [], [], within_s)[0]:
        return False
    return sys.stdin.read(1) in ("q", "Q", "")
