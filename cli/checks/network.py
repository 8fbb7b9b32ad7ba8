"""The kernel's networking: bridges, netfilter, forwarding, and other people's firewalls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.checks.result import Result, fail, ok, warn
from common import tool
from common.config import Config
from common.deadlines import TOOL_S
from common.errors import ToolFailed

PREFIX = "cml"
_SYSCTL = Path("/proc/sys/net")
_FAMILIES = ("ip", "ip6", "inet")


def bridges(config: Config) -> Result:
    if config.network.networking == "none":
        return ok("bridges", "not used without networking")
    if Path("/sys/module/bridge").is_dir() or (_SYSCTL / "bridge").is_dir():
        return ok("bridges", "the kernel has bridges")
    return warn("bridges", "the bridge module is not loaded", "modprobe bridge, and list it in /etc/modules")


def bridge_filter(config: Config) -> Result:
    """Security groups are stateful filters of bridged packets, which exist only through br_netfilter."""
    if config.network.networking == "none":
        return ok("br_netfilter", "not used without networking")
    setting = _SYSCTL / "bridge" / "bridge-nf-call-iptables"
    if not setting.exists():
        return fail("br_netfilter", "the module is not loaded", "modprobe br_netfilter, and list it in /etc/modules")
    if setting.read_text().strip() != "1":
        return warn(
            "br_netfilter",
            "bridged packets are not filtered now; the agent switches it on",
            "sysctl -w net.bridge.bridge-nf-call-iptables=1, and keep others from switching it off",
        )
    return ok("br_netfilter", "bridged packets are filtered")


def forwarding(config: Config) -> Result:
    if config.network.networking == "none":
        return ok("ip_forward", "not used without networking")
    if (_SYSCTL / "ipv4" / "ip_forward").read_text().strip() == "1":
        return ok("ip_forward", "on")
    return warn(
        "ip_forward",
        "off now; the agent switches it on for networks with NAT",
        "sysctl -w net.ipv4.ip_forward=1, and keep others from switching it off",
    )


def nftables(config: Config) -> Result:
    if config.network.networking == "none":
        return ok("nftables", "not used without networking")
    try:
        tables = json.loads(tool.run(["nft", "-j", "list", "tables"], timeout_s=TOOL_S))
    except ToolFailed as err:
        return fail("nftables", (err.detail or err.message)[-200:], "apt install nftables, and run the check as root")
    return ok("nftables", f"{len(_of_kind(tables['nftables'], 'table'))} tables")


def foreign_firewall(config: Config) -> Result:
    """Another program's forward chain that drops by policy (Docker, ufw, firewalld) drops our guests' packets too."""
    if config.network.networking == "none":
        return ok("firewall", "not used without networking")
    try:
        ruleset = json.loads(tool.run(["nft", "-j", "list", "ruleset"], timeout_s=TOOL_S))["nftables"]
    except ToolFailed as err:
        return fail("firewall", (err.detail or err.message)[-200:], "run the check as root")
    found = dropping_chains(ruleset)
    if not found:
        return ok("firewall", "no foreign chain drops forwarded packets")
    names = "; ".join(" ".join(chain) for chain in found)
    remedies = "; ".join(command for chain in found for command in accept_commands(chain, ruleset))
    return warn("firewall", f"drops forwarded packets by policy: {names}", remedies)


Chain = tuple[str, str, str]
"""family, table, chain"""


def dropping_chains(ruleset: Sequence[dict[str, Any]]) -> list[Chain]:
    """Foreign base chains at the forward hook with policy drop that don't let packets of our bridges through."""
    found = []
    for chain in _of_kind(ruleset, "chain"):
        foreign = chain.get("family") in _FAMILIES and not str(chain.get("table", "")).startswith(PREFIX)
        if foreign and chain.get("hook") == "forward" and chain.get("policy") == "drop":
            key = (chain["family"], chain["table"], chain["name"])
            if not _lets_us_through(key, ruleset):
                found.append(key)
    return found


def accept_commands(chain: Chain, ruleset: Sequence[dict[str, Any]]) -> list[str]:
    """The exact commands that accept our bridges; in Docker's user chain where there is one, which Docker keeps."""
    family, table, name = chain
    users = [
        item
        for item in _of_kind(ruleset, "chain")
        if (item.get("family"), item.get("table"), item.get("name")) == (family, table, "DOCKER-USER")
    ]
    if users:
        program = "ip6tables" if family == "ip6" else "iptables"
        return [f"{program} -I DOCKER-USER -{side} '{PREFIX}+' -j ACCEPT" for side in ("i", "o")]
    return [f"nft insert rule {family} {table} {name} {side} '\"{PREFIX}*\"' accept" for side in ("iifname", "oifname")]


def _lets_us_through(chain: Chain, ruleset: Sequence[dict[str, Any]]) -> bool:
    """True when the chain, or Docker's user chain that it jumps to, accepts both directions of our bridges."""
    family, table, name = chain
    sides: set[str] = set()
    for rule in _of_kind(ruleset, "rule"):
        if (rule.get("family"), rule.get("table")) != (family, table) or rule.get("chain") not in (name, "DOCKER-USER"):
            continue
        statements = rule.get("expr", [])
        if any("accept" in statement for statement in statements):
            sides |= {side for statement in statements if (side := _our_side(statement))}
    return sides == {"iifname", "oifname"}


def _our_side(statement: dict[str, Any]) -> str:
    match = statement.get("match")
    if not isinstance(match, dict) or not isinstance(match.get("left"), dict):
        return ""
    side = match["left"].get("meta", {}).get("key", "")
    ours = isinstance(match.get("right"), str) and match["right"].startswith(PREFIX)
    return side if ours and side in ("iifname", "oifname") else ""


def _of_kind(ruleset: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item[kind] for item in ruleset if kind in item]
