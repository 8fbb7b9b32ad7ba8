"""The extra DHCP options that a port may have: names that the nodes' DHCP server knows, or option numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import InvalidRequest

#: those that a client may be given by name; options of the exchange itself (addresses, lease times, classes) are not here
IPV4 = frozenset(
    (
        "netmask",
        "time-offset",
        "router",
        "dns-server",
        "log-server",
        "lpr-server",
        "boot-file-size",
        "domain-name",
        "swap-server",
        "root-path",
        "extension-path",
        "ip-forward-enable",
        "non-local-source-routing",
        "policy-filter",
        "max-datagram-reassembly",
        "default-ttl",
        "mtu",
        "all-subnets-local",
        "router-discovery",
        "router-solicitation",
        "static-route",
        "trailer-encapsulation",
        "arp-timeout",
        "ethernet-encap",
        "tcp-ttl",
        "tcp-keepalive",
        "nis-domain",
        "nis-server",
        "ntp-server",
        "netbios-ns",
        "netbios-dd",
        "netbios-nodetype",
        "netbios-scope",
        "x-windows-fs",
        "x-windows-dm",
        "nis+-domain",
        "nis+-server",
        "tftp-server",
        "bootfile-name",
        "mobile-ip-home",
        "smtp-server",
        "pop3-server",
        "nntp-server",
        "irc-server",
        "posix-timezone",
        "tzdb-timezone",
        "ipv6-only",
        "domain-search",
        "sip-server",
        "classless-static-route",
        "tftp-server-address",
        "server-ip-address",
    )
)
IPV6 = frozenset(
    (
        "sip-server-domain",
        "sip-server",
        "dns-server",
        "domain-search",
        "nis-server",
        "nis+-server",
        "nis-domain",
        "nis+-domain",
        "sntp-server",
        "information-refresh-time",
        "posix-timezone",
        "tzdb-timezone",
        "ntp-server",
        "bootfile-url",
        "bootfile-param",
    )
)


def known(name: str, ip_version: int) -> bool:
    if name.isascii() and name.isdigit():
        return 1 <= int(name) <= (254 if ip_version == 4 else 65535)
    return name in (IPV4 if ip_version == 4 else IPV6)


def merged(present: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`present` with what is asked: a value replaces one of the same name and version, None takes it away.

    Raises InvalidRequest for an option that isn't known.
    """
    found = {(each["opt_name"], int(each["ip_version"])): str(each["opt_value"]) for each in present}
    for each in asked:
        key = (each["opt_name"], int(each.get("ip_version", 4)))
        value = each.get("opt_value")
        if value is None:
            found.pop(key, None)
            continue
        if not known(*key):
            raise InvalidRequest(
                f"Invalid input for extra_dhcp_opts. Reason: '{key[0]}' is not an option of DHCPv{key[1]} that the "
                f"nodes serve; give its number to send it anyway."
            )
        found[key] = value
    return [
        {"opt_name": name, "opt_value": value, "ip_version": version}
        for (name, version), value in sorted(found.items())
    ]
