"""DHCP and DNS of one network: dnsmasq in the network's namespace, with files that we write from typed values.

Nothing a tenant typed reaches a file unchecked: addresses and MACs are parsed and printed anew, names must be DNS
labels, and anything else is refused (NET-05). dnsmasq makes itself a daemon, so that it outlives the agent; a
restarted agent finds it by pid file and command line and leaves it running. It drops root, so its folder is readable
by its group, writable by root alone.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import select
import signal
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import dhcp_options, tool
from common.deadlines import TOOL_S
from common.errors import NetworkingError, ToolFailed
from common.rpc.compute_v1 import Neighbour, NetworkSpec, PortSpec, SubnetSpec
from compute_agent.networking import names, namespaces

METADATA = "169.254.169.254/32"
LEASE_S = 86400
STOP_S = 3.0
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_VALUE = re.compile(r"[!-~]+( [!-~]+)*", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)


@dataclass(frozen=True)
class Files:
    """What dnsmasq reads: `config` once at its start, the others again at SIGHUP."""

    config: str
    dhcp_hosts: str
    names: str
    dhcp_options: str = ""


@dataclass(frozen=True)
class Resolver:
    """How guests' questions are answered: the domain of their own names, and who is asked about others."""

    domain: str
    upstreams: tuple[str, ...] = ()


@dataclass(frozen=True)
class Daemon:
    """Where a network's dnsmasq lives: its folder, namespace and the device it serves."""

    folder: Path
    namespace: str
    device: str


def daemon(run_dir: Path, network_id: str) -> Daemon:
    name = names.namespace(network_id)
    return Daemon(folder=run_dir / name, namespace=name, device=names.inside(network_id))


def render(
    where: Daemon,
    network: NetworkSpec,
    ports: Sequence[PortSpec],
    resolver: Resolver,
    neighbours: Sequence[Neighbour] = (),
) -> Files:
    """The files. neighbours: known by name, but served by other nodes.

    Raises ValueError for any value that isn't what its field means.
    """
    served = [subnet for subnet in network.subnets if subnet.enable_dhcp and subnet.dhcp_ip]
    return Files(
        config=_config(where, network, served, resolver),
        dhcp_hosts=_dhcp_hosts(served, ports),
        names=_names(ports, neighbours, domain(resolver.domain)),
        dhcp_options=_dhcp_options(ports),
    )


def ensure(where: Daemon, files: Files) -> bool:
    """Have dnsmasq run with these files; True when it had to be started. Raises NetworkingError."""
    _ensure_folder(where.folder)
    changed = _write(where.folder / "dnsmasq.conf", files.config)
    contents = {"dhcp-hosts": files.dhcp_hosts, "dhcp-options": files.dhcp_options, "names": files.names}
    reread = [_write(where.folder / name, text) for name, text in contents.items()]
    running = _find(where)
    if running is not None and not changed:
        if any(reread):
            _signal(running, signal.SIGHUP)
        os.close(running)
        return False
    if running is not None:
        _end(running)
    _start(where)
    return True


def stop(where: Daemon) -> None:
    """End dnsmasq and remove its folder; fine when neither is there."""
    running = _find(where)
    if running is not None:
        _end(running)
    if where.folder.is_dir():
        for path in where.folder.iterdir():
            path.unlink(missing_ok=True)
        where.folder.rmdir()


def pid(where: Daemon) -> int | None:
    """The process id of the network's running dnsmasq, or None."""
    try:
        number = int((where.folder / "pid").read_text())
        arguments = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return number if _argument(where).encode() in arguments else None


def hostname(text: str) -> str:
    """The text as a DNS label. Raises ValueError."""
    label = text.lower()
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{text!r} is not a host name")
    return label


def check(port: PortSpec) -> None:
    """Raises ValueError for a port whose MAC or addresses can't be written to a file."""
    _mac(port.mac_address)
    for fixed in port.addresses:
        ipaddress.ip_address(fixed.ip_address)


def domain(text: str) -> str:
    labels = text.rstrip(".").split(".")
    return ".".join(hostname(label) for label in labels)


def process(where: Daemon) -> list[str]:
    """Who it is and as whom it runs."""
    group = grp.getgrgid(_user().pw_gid).gr_name
    return [f"pid-file={_path(where.folder / 'pid')}", f"user={_user().pw_name}", f"group={group}"]


def _config(where: Daemon, network: NetworkSpec, served: Sequence[SubnetSpec], resolver: Resolver) -> str:
    own = domain(resolver.domain)
    # Where the gateway is on another node only guests can pass through it: dnsmasq refuses what it does not know itself
    # and they ask the next.
    upstreams = () if network.gateway_elsewhere else resolver.upstreams
    others = resolver.upstreams if network.gateway_elsewhere else ()
    lines = [
        *process(where),
        f"interface={where.device}",
        "except-interface=lo",
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        "no-ping",
        "domain-needed",
        "bogus-priv",
        "cache-size=1000",
        "dns-forward-max=150",
        f"addn-hosts={_path(where.folder / 'names')}",
        f"domain={own}",
        f"local=/{own}/",
        *(f"server={ipaddress.ip_address(upstream)}" for upstream in upstreams),
        "dhcp-authoritative",
        "leasefile-ro",
        "dhcp-lease-max=65536",
        f"dhcp-hostsfile={_path(where.folder / 'dhcp-hosts')}",
        f"dhcp-optsfile={_path(where.folder / 'dhcp-options')}",
        f"dhcp-option-force=option:mtu,{int(network.mtu)}",
    ]
    for number, subnet in enumerate(served):
        lines += (
            _ipv4(f"subnet{number}", subnet, others) if subnet.ip_version == 4 else _ipv6(f"subnet{number}", subnet)
        )
    if any(subnet.ipv6_ra_mode for subnet in served):
        # The namespace is no router: lifetime 0 says so, while prefixes and MTU are still advertised (router_adverts.py).
        lines += ["enable-ra", f"ra-param={where.device},mtu:{int(network.mtu)},60,0"]
    return "\n".join(lines) + "\n"


def _ipv4(tag: str, subnet: SubnetSpec, others: Sequence[str]) -> list[str]:
    cidr, own = ipaddress.IPv4Network(subnet.cidr), ipaddress.IPv4Address(subnet.dhcp_ip or "")
    gateway = ipaddress.IPv4Address(subnet.gateway_ip) if subnet.gateway_ip else None
    routes = [f"{METADATA},{own}"]
    for route in subnet.host_routes:
        routes.append(f"{ipaddress.IPv4Network(route.destination)},{ipaddress.IPv4Address(route.nexthop)}")
    if gateway:
        routes.append(f"0.0.0.0/0,{gateway}")
    resolvers = [str(ipaddress.ip_address(each)) for each in subnet.dns_nameservers if ":" not in each]
    resolvers = resolvers or [str(own), *(str(ipaddress.ip_address(each)) for each in others if ":" not in each)]
    return [
        f"dhcp-range=set:{tag},{cidr.network_address},static,{cidr.netmask},{LEASE_S}",
        # Without a value the option is left out; dnsmasq would name itself as router.
        f"dhcp-option=tag:{tag},option:router" + (f",{gateway}" if gateway else ""),
        f"dhcp-option=tag:{tag},option:dns-server,{','.join(resolvers)}",
        f"dhcp-option=tag:{tag},option:classless-static-route,{','.join(routes)}",
        f"dhcp-option=tag:{tag},249,{','.join(routes)}",  # the same under the number that Windows asks for
    ]


def _ipv6(tag: str, subnet: SubnetSpec) -> list[str]:
    cidr = ipaddress.IPv6Network(subnet.cidr)
    mode = {"slaac": "ra-only", "dhcpv6-stateless": "ra-stateless", "dhcpv6-stateful": "static"}.get(
        subnet.ipv6_ra_mode or subnet.ipv6_address_mode or ""
    )
    if mode is None:
        return []
    found = [ipaddress.IPv6Address(each) for each in subnet.dns_nameservers if ":" in each]
    resolvers = found or [ipaddress.IPv6Address(subnet.dhcp_ip or "")]
    return [
        f"dhcp-range=set:{tag},{cidr.network_address},{mode},{cidr.prefixlen},{LEASE_S}",
        f"dhcp-option=tag:{tag},option6:dns-server,{','.join(f'[{each}]' for each in resolvers)}",
    ]


def _dhcp_hosts(served: Sequence[SubnetSpec], ports: Sequence[PortSpec]) -> str:
    """One line per port: MAC, its addresses in served subnets, its name."""
    static = {
        subnet.id
        for subnet in served
        if subnet.ip_version == 4 or (subnet.ipv6_ra_mode or subnet.ipv6_address_mode) == "dhcpv6-stateful"
    }
    lines = []
    for port in sorted(ports, key=lambda each: each.id):
        addresses = [ipaddress.ip_address(each.ip_address) for each in port.addresses if each.subnet_id in static]
        if not addresses:
            continue
        shown = [f"[{each}]" if each.version == 6 else str(each) for each in addresses]
        name = [hostname(port.hostname)] if port.hostname else []
        tag = [f"set:{_tag(port)}"] if port.dhcp_options else []
        lines.append(",".join([_mac(port.mac_address), *tag, *shown, *name]))
    return "".join(f"{line}\n" for line in lines)


def _dhcp_options(ports: Sequence[PortSpec]) -> str:
    """The extra options of single ports, each for the tag that the port's line among the hosts sets."""
    lines = []
    for port in sorted(ports, key=lambda each: each.id):
        for option in port.dhcp_options:
            if not dhcp_options.known(option.name, option.ip_version) or not _VALUE.fullmatch(option.value):
                raise ValueError(f"DHCP option {option.name!r} of port {port.id} can't be served")
            kind = "option" if option.ip_version == 4 else "option6"
            lines.append(f"tag:{_tag(port)},{kind}:{option.name},{option.value}")
    return "".join(f"{line}\n" for line in lines)


def _tag(port: PortSpec) -> str:
    return f"port-{uuid.UUID(port.id).hex}"


def _names(ports: Sequence[PortSpec], neighbours: Sequence[Neighbour], own: str) -> str:
    lines = []
    here = [
        Neighbour(
            network_id=port.network_id,
            hostname=port.hostname,
            addresses=[fixed.ip_address for fixed in port.addresses],
            domain=port.domain,
        )
        for port in sorted(ports, key=lambda port: port.id)
    ]
    for each in (*here, *neighbours):
        if not each.hostname:
            continue
        label = hostname(each.hostname)
        more = f" {label}.{domain(each.domain)}" if each.domain else ""
        lines += [f"{ipaddress.ip_address(address)} {label}.{own} {label}{more}" for address in each.addresses]
    return "".join(f"{line}\n" for line in lines)


def _mac(text: str) -> str:
    mac = text.lower()
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{text!r} is not a MAC address")
    return mac


def _path(path: Path) -> str:
    text = str(path)
    if not text.isprintable() or any(character in text for character in ',#"\\'):
        raise ValueError(f"folder {text!r} can't be named in dnsmasq's configuration")
    return text


def _user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("dnsmasq")
    except KeyError:
        return pwd.getpwnam("nobody")


def _ensure_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    for parent in folder.parents:
        if parent.exists() and not parent.stat().st_mode & 0o001:
            raise NetworkingError(f"dnsmasq gives up root and can't pass through {parent}: chmod o+x it")
    folder.mkdir(parents=True, mode=0o750)
    os.chown(folder, 0, _user().pw_gid)
    folder.chmod(0o750)


def _write(path: Path, text: str) -> bool:
    """Replace a file by one rename; False when it already says this."""
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        pass
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text)
    os.chown(temporary, 0, _user().pw_gid)
    temporary.chmod(0o640)
    temporary.replace(path)
    return True


def _argument(where: Daemon) -> str:
    return f"--conf-file={where.folder / 'dnsmasq.conf'}"


def _find(where: Daemon) -> int | None:
    """A pidfd of the running dnsmasq: unlike a number, it can't come to mean another process."""
    number = pid(where)
    if number is None:
        return None
    try:
        handle = os.pidfd_open(number)
    except OSError:
        return None
    if pid(where) == number:
        return handle
    os.close(handle)
    return None


def _signal(handle: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return  # it ended in this moment; heal() starts it again


def _end(handle: int) -> None:
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            _signal(handle, number)
            if select.select([handle], [], [], STOP_S)[0]:
                return
        raise NetworkingError("a dnsmasq survived SIGKILL")
    finally:
        os.close(handle)


def _start(where: Daemon) -> None:
    (where.folder / "pid").unlink(missing_ok=True)
    try:
        namespaces.call_in(where.namespace, lambda: tool.run(["dnsmasq", _argument(where)], timeout_s=TOOL_S))
    except ToolFailed as err:
        raise NetworkingError(f"dnsmasq of {where.namespace} does not start", detail=err.detail) from err
