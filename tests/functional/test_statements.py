"""A list costs the same number of SQL statements however long it is (DOS-04): no query per row, in any API."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import (
    Aggregate,
    AggregateNode,
    Flavor,
    Image,
    ImageMember,
    Instance,
    IpAllocation,
    Keypair,
    Network,
    Node,
    Operation,
    Port,
    PortSecurityGroup,
    Project,
    SecurityGroup,
    SecurityGroupRule,
    ServerGroup,
    ServerGroupMember,
    ServerMigration,
    Service,
    Subnet,
    User,
    Volume,
    VolumeAttachment,
)
from common.ids import new_hex_id, new_id
from tests.fixtures.cloud import COMPUTE, CUMULET, NETWORK, NEWEST, Cloud
from tests.functional.routes_world import IDENTITY, IMAGE, World

pytestmark = pytest.mark.xdist_group("statements")  # one world

PLACEMENT, PLACEMENTS = "/placement", {"OpenStack-API-Version": "placement 1.39"}
SIZES = (1, 10, 50)
LISTS = [
    (f"{COMPUTE}/servers", "servers", "demo"),
    (f"{COMPUTE}/servers/detail", "servers", "demo"),
    (f"{COMPUTE}/servers/detail?all_tenants=1", "servers", "admin"),
    (f"{COMPUTE}/flavors/detail", "flavors", "demo"),
    (f"{COMPUTE}/flavors/detail?is_public=none", "flavors", "admin"),
    (f"{COMPUTE}/os-keypairs", "keypairs", "demo"),
    (f"{COMPUTE}/os-simple-tenant-usage?detailed=1", "tenant_usages", "admin"),
    (f"{COMPUTE}/os-server-groups", "server_groups", "demo"),
    (f"{COMPUTE}/os-server-groups?all_projects=1", "server_groups", "admin"),
    (f"{COMPUTE}/os-aggregates", "aggregates", "admin"),
    (f"{COMPUTE}/os-services", "services", "admin"),
    (f"{COMPUTE}/os-hypervisors/detail?with_servers=1", "hypervisors", "admin"),
    (f"{COMPUTE}/os-availability-zone/detail", "availabilityZoneInfo", "admin"),
    (f"{COMPUTE}/os-migrations", "migrations", "admin"),
    (f"{COMPUTE}/servers/{{server_id}}/os-interface", "interfaceAttachments", "demo"),
    (f"{COMPUTE}/servers/{{server_id}}/os-instance-actions", "instanceActions", "demo"),
    (f"{COMPUTE}/servers/{{server_id}}/os-volume_attachments", "volumeAttachments", "demo"),
    (f"{PLACEMENT}/resource_providers", "resource_providers", "admin"),
    (f"{PLACEMENT}/allocation_candidates?resources=VCPU:1", "allocation_requests", "admin"),
    (f"{NETWORK}/networks", "networks", "demo"),
    (f"{NETWORK}/subnets", "subnets", "demo"),
    (f"{NETWORK}/ports", "ports", "demo"),
    (f"{NETWORK}/ports", "ports", "admin"),
    (f"{NETWORK}/security-groups", "security_groups", "demo"),
    (f"{NETWORK}/security-group-rules", "security_group_rules", "demo"),
    (f"{NETWORK}/network-ip-availabilities", "network_ip_availabilities", "admin"),
    (f"{IMAGE}/images", "images", "demo"),
    (f"{IMAGE}/images", "images", "admin"),
    (f"{IDENTITY}/users", "users", "admin"),
    (f"{IDENTITY}/projects", "projects", "admin"),
    (f"{IDENTITY}/role_assignments?include_names", "role_assignments", "admin"),
    (f"{CUMULET}/operations", "operations", "demo"),
]
GROWS_WITH_SERVERS = {"tenant_usages", "users", "projects", "role_assignments", "operations", "availabilityZoneInfo"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("statements")
    shutil.copyfile(_sqlite_template, folder / "db.sqlite")
    with Cloud(folder, f"sqlite:///{folder / 'db.sqlite'}") as cloud:
        cloud.furnish()
        yield World.furnish(cloud)


def copy(session: Session, row: Any, **changes: Any) -> Any:
    """A second row like this one."""
    kind = type(row)
    values = {column.key: getattr(row, column.key) for column in sa.inspect(kind).column_attrs}
    new = kind(**{**values, **changes})
    session.add(new)
    session.flush()
    return new


def grow(world: World, number: int) -> None:
    """One more of everything that lists show, as the first of it is."""
    ids, unique = world.ids, f"{number:04d}"
    address = f"10.7.{number // 200}.{number % 200 + 20}"
    with world.cloud.db.write() as session:
        network = copy(
            session, session.get_one(Network, ids["network_id"]), id=new_id(), segmentation_id=50_000 + number
        )
        subnet = copy(session, session.get_one(Subnet, ids["subnet_id"]), id=new_id(), network_id=network.id)
        group = copy(session, session.get_one(SecurityGroup, ids["group_id"]), id=new_id(), name=f"g{unique}")
        copy(session, session.get_one(SecurityGroupRule, ids["rule_id"]), id=new_id(), security_group_id=group.id)
        server = copy(session, session.get_one(Instance, ids["server_id"]), id=new_id(), name=f"s{unique}")
        port = copy(
            session, session.get_one(Port, ids["port_id"]), id=new_id(), device_id=server.id, network_id=network.id,
            mac_address=f"fa:16:3e:aa:{number // 100:02x}:{number % 100:02x}",
        )  # fmt: skip
        session.add(IpAllocation(subnet_id=subnet.id, ip_address=address, network_id=network.id, port_id=port.id))
        session.add(PortSecurityGroup(port_id=port.id, security_group_id=group.id))
        image = copy(session, session.get_one(Image, ids["image_id"]), id=new_id())
        member = session.scalars(sa.select(ImageMember).limit(1)).one()
        copy(session, member, image_id=image.id)
        copy(session, session.get_one(Flavor, "c1.tiny"), id=f"f{unique}", name=f"f{unique}")
        _grow_nodes(session, number, group_of=(ids["server_group_id"], server))
        _grow_one_server(session, number, ids["server_id"])
        keypair = session.scalars(sa.select(Keypair).limit(1)).one()
        copy(session, keypair, number=None, name=f"k{unique}")


def _grow_nodes(session: Session, number: int, group_of: tuple[str, Instance]) -> None:
    """A node with one server, in an aggregate of its own; a server group that has the server; its migration."""
    unique = f"n{number:04d}"
    node = session.scalars(sa.select(Node).order_by(Node.created_at).limit(1)).one()
    service = copy(session, session.get_one(Service, node.service_number), number=None, id=new_id(), host=unique)
    more = copy(session, node, id=new_id(), name=unique, service_number=service.number)
    group_id, server = group_of
    server.node_id, server.node_name = more.id, more.name
    aggregate = Aggregate(id=new_id(), name=unique, properties={}, created_at=node.created_at)
    session.add(aggregate)
    session.flush()
    session.add(AggregateNode(aggregate_number=aggregate.number, node_id=more.id))
    group = copy(session, session.get_one(ServerGroup, group_id), id=new_id(), name=unique)
    session.add(ServerGroupMember(instance_id=server.id, group_id=group.id))
    session.add(
        ServerMigration(
            id=new_id(), instance_id=server.id, project_id=server.project_id, user_id=server.user_id, type="resize",
            status="confirmed", source_node=unique, target_node=unique, old_flavor_id="c1.tiny", new_flavor_id="c1.tiny",
            created_at=node.created_at, updated_at=node.created_at,
        )
    )  # fmt: skip


def _grow_one_server(session: Session, number: int, server_id: str) -> None:
    """One more card, volume and action of the server whose parts are listed."""
    port = session.scalars(sa.select(Port).where(Port.device_id == server_id).limit(1)).one()
    mac = f"fa:16:3e:bb:{number // 100:02x}:{number % 100:02x}"
    copy(session, port, id=new_id(), mac_address=mac)
    row = session.scalars(sa.select(VolumeAttachment).where(VolumeAttachment.instance_id == server_id).limit(1)).one()
    volume = copy(session, session.get_one(Volume, row.volume_id), id=new_id())
    copy(session, row, id=new_id(), volume_id=volume.id)
    operation = session.scalars(sa.select(Operation).where(Operation.resource_id == server_id).limit(1)).one()
    copy(session, operation, id=new_id(), request_id=f"req-{new_id()}")


def measure(world: World, path: str, noun: str, who: str) -> tuple[int, int]:
    """How many statements the list costs, and how long it is."""
    before = world.cloud.db.statements
    headers = PLACEMENTS if path.startswith(PLACEMENT) else NEWEST
    found = world.cloud.ok(world.cloud.api.get(path.format(**world.ids), who, headers=headers))[noun]
    return world.cloud.db.statements - before, len(found)


def test_lists_cost_the_same_however_long(world: World) -> None:
    for who in ("demo", "admin"):
        world.cloud.api.token(who)  # a login is no part of a list
    costs: dict[str, list[tuple[int, int]]] = {}
    have = 1
    for size in SIZES:
        for number in range(have, size):
            grow(world, number)
        have = size
        for path, noun, who in LISTS:
            costs.setdefault(f"{who} {path}", []).append(measure(world, path, noun, who))
    for (path, noun, who), measured in zip(LISTS, costs.values(), strict=True):
        statements = [count for count, _ in measured]
        assert len(set(statements)) == 1, (who, path, measured)
        assert statements[0] <= 12, (who, path, measured)
        if noun not in GROWS_WITH_SERVERS:
            assert measured[-1][1] >= SIZES[-1] - 1, (who, path, measured)


def test_identity_lists_cost_the_same_however_long(world: World) -> None:
    paths = [each for each in LISTS if each[0].startswith(IDENTITY)]
    first = [measure(world, *each) for each in paths]
    with world.cloud.db.write() as session:
        user = session.get_one(User, world.ids["user_id"])
        project = session.get_one(Project, world.ids["project_id"])
        for number in range(40):
            copy(session, user, id=new_hex_id(), name=f"u{number}")
            copy(session, project, id=new_hex_id(), name=f"p{number}")
    second = [measure(world, *each) for each in paths]
    for each, before, after in zip(paths, first, second, strict=True):
        assert before[0] == after[0], (each, before, after)
