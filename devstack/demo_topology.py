"""What devstack/demo-network makes, as data, and who must reach whom in it. Pure.

Two tenants, alike to the last address: each has two networks, a router between them and to the outside, and three
servers that say their name on port 80.

    front 10.20.1.0/24:  NAME-1 .11, group web: everybody may ask it; has a floating IP
                         NAME-2 .12, group inner: only members of web may
    back  10.20.2.0/24:  NAME-3 .13, group inner
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TENANTS = ("red", "blue")
NETWORKS = {"front": ("10.20.1.0/24", "10.20.1.1"), "back": ("10.20.2.0/24", "10.20.2.1")}
WEB, INNER = "web", "inner"
OUTSIDE = "outside"  # this machine, as the source of questions
NOBODY = "-"
PING_OK = "yes"
#: ports that the groups open; None: all of the protocol
OPEN = (("tcp", 80), ("tcp", 22), ("icmp", None))


@dataclass(frozen=True)
class Place:
    """Where one server of a tenant is."""

    number: int
    network: str
    address: str
    group: str


PLACES = (
    Place(1, "front", "10.20.1.11", WEB),
    Place(2, "front", "10.20.1.12", INNER),
    Place(3, "back", "10.20.2.13", INNER),
)


@dataclass(frozen=True)
class Server:
    tenant: str
    place: Place

    @property
    def name(self) -> str:
        return f"{self.tenant}-{self.place.number}"

    @property
    def floats(self) -> bool:
        return self.place.group == WEB


@dataclass(frozen=True)
class Target:
    """A column. kind: "fixed" (an address that both tenants have), "floating", "ping" (the way out), "host"."""

    kind: str
    address: str
    port: int = 80
    server: Server | None = None  # whose floating address it is

    @property
    def title(self) -> str:
        if self.kind == "floating" and self.server is not None:
            return f"{self.address} ({self.server.name})"
        return f"{self.address} ping" if self.kind == "ping" else f"{self.address}:{self.port}"


SERVERS = tuple(Server(tenant, place) for tenant in TENANTS for place in PLACES)
SOURCES = (*(server.name for server in SERVERS), OUTSIDE)


def targets(floating: Mapping[str, str], way_out: str, host: tuple[str, int]) -> list[Target]:
    """The columns. floating: address by server; way_out: the public network's gateway; host: a service of the cloud."""
    found = [Target("fixed", place.address) for place in PLACES]
    found += [Target("floating", floating[each.name], server=each) for each in SERVERS if each.floats]
    return [*found, Target("ping", way_out), Target("host", *host)]


def expected(source: str, target: Target) -> str | None:
    """Who must answer: a server's name, PING_OK, or NOBODY. None: not asked."""
    asking = next((each for each in SERVERS if each.name == source), None)
    if target.kind == "host":
        return NOBODY if asking else None
    if target.kind == "ping":
        return PING_OK
    if target.kind == "floating":
        assert target.server is not None
        return target.server.name
    if asking is None:
        return NOBODY
    answering = next(each for each in SERVERS if each.tenant == asking.tenant and each.place.address == target.address)
    permitted = WEB in (answering.place.group, asking.place.group) or answering == asking
    return answering.name if permitted else NOBODY


Matrix = Mapping[tuple[str, str], str]
"""(source, title of the target) -> who answered."""


def wrong(matrix: Matrix, columns: list[Target]) -> list[str]:
    """What is not as it must be, in words."""
    found = []
    for source in SOURCES:
        for target in columns:
            wanted, seen = expected(source, target), matrix.get((source, target.title))
            if wanted is not None and wanted != seen:
                found.append(f"{source} -> {target.title}: {wanted} was expected, {seen or 'nothing'} seen")
    return found


def render(matrix: Matrix, columns: list[Target]) -> str:
    """The table: in each cell who answered; what is wrong is marked with what was expected."""
    rows = [["from \\ to", *(target.title for target in columns)]]
    for source in SOURCES:
        cells = [source]
        for target in columns:
            wanted, seen = expected(source, target), matrix.get((source, target.title), "?")
            cells.append("" if wanted is None else seen if seen == wanted else f"{seen} (!= {wanted})")
        rows.append(cells)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
