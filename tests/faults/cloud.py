"""A whole cloud of real processes on PostgreSQL and RabbitMQ: one api worker, two schedulers, three agents with `fake`.

Everything is done through HTTP, as a client does it; the database is only read, to wait and to see. Processes that die
are started again by a supervisor. `arm` names the kill point (common/killpoints.py) at which the next process to come
by dies.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from common import killpoints
from common.clock import SystemClock
from common.config import BusConfig, Config, QuotaConfig, StorageConfig
from common.context import RequestContext
from common.db import instances, node_tokens, nodes
from common.db.models import Image, Instance, Operation
from common.db.session import Database
from common.ids import new_id, new_request_id
from common.rpc import credentials
from common.rpc.bus import Bus
from common.rpc.transport import Transport
from common.secret import Secret
from common.states import OPEN_OPERATION_STATES, Action
from common.tokens import create_keys
from compute_agent import identity
from tests.faults.processes import Supervisor
from tests.faults.stores import Postgresql, Rabbitmq
from tests.fixtures.api import PASSWORD, make_config, project_id, seed
from tests.fixtures.ports import free_port

NODES = ("n1", "n2", "n3")
SCHEDULERS = ("s1", "s2")
FLAVORS = {"c1.tiny": 128, "c1.small": 192}  # with their memory, MiB
LEASE_S = 2.0
START_S = 90.0
SETTLE_S = 60.0  # what a cloud of interpreters on two busy cores may take to get over one death
LOOK_S = 0.1


class Refused(Exception):
    """The API answered with an error."""

    def __init__(self, reply: requests.Response) -> None:
        super().__init__(f"{reply.request.method} {reply.request.url}: {reply.status_code} {reply.text[:500]}")
        self.status = reply.status_code
        self.headers = reply.headers
        self.text = reply.text


class FaultCloud:
    def __init__(self, folder: Path, *, shared: bool = True) -> None:
        """shared: the nodes see one folder of volumes; else each has its own, and they serve volumes to one another."""
        self.folder = folder
        self._shared = shared
        self.kills = folder / "kills"
        self.kills.mkdir()
        self.node_buses: dict[str, BusConfig] = {}
        self._token = ""
        self.image_id = ""
        self.network_id = ""
        self._parts = ExitStack()
        with self._parts:
            self.postgresql = Postgresql(_made(folder / "pg", 0o755))
            self._parts.callback(self.postgresql.stop)
            self.rabbitmq = Rabbitmq(_made(folder / "mq"))
            self._parts.callback(self.rabbitmq.stop)
            self.config = self._config()
            seed(self.config)
            create_keys(Path(self.config.identity.fernet_dir))
            self.db = Database(self.config.database)
            self._parts.callback(self.db.close)
            self.supervisor = Supervisor(_made(folder / "log"))
            self._parts.callback(self.supervisor.close)
            self._start()
            self._furnish()
            self._parts = self._parts.pop_all()  # made: they end with `close`

    # -- making it ------------------------------------------------------------------------------------------------

    def _config(self) -> Config:
        config = make_config(self.folder, self.postgresql.server.url())
        port = free_port()
        return replace(
            config,
            bus=replace(
                config.bus, url=Secret(self.rabbitmq.url()), management_url=Secret(self.rabbitmq.management_url)
            ),
            api=replace(config.api, port=port, public_url=f"http://127.0.0.1:{port}", workers=1),
            network=replace(config.network, networking="none"),
            storage=self._storage(config.storage),
            compute=replace(config.compute, reclaim_deleted_after_s=3600),
            scheduler=replace(config.scheduler, lease_s=LEASE_S, sweep_interval_s=0.3, workers=2, health_port=0),
            quota=QuotaConfig(**{each.name: -1 for each in fields(QuotaConfig)}),
        )

    def _storage(self, storage: StorageConfig) -> StorageConfig:
        if self._shared:
            return replace(storage, volumes_dir=str(self.folder / "volumes"), volumes_shared=True)
        return replace(
            storage, volume_backends="files,nbd", nbd_cert_file="node.pem", nbd_address="127.0.0.1"
        )  # fmt: skip

    def _start(self) -> None:
        with self.db.write() as session:
            session.add(self._image())
        for name in NODES:
            self._agent(name)
        for name in SCHEDULERS:
            config = replace(self.config, scheduler=replace(self.config.scheduler, name=name))
            self._service(name, "scheduler.main", config)
        self._service("api", "api.main", self.config)

    def _agent(self, name: str) -> None:
        state, password = _made(self.folder / name), credentials.make_password()
        agent = replace(
            self.config.agent, node=name, driver="fake", state_dir=str(state), health_port=0, disk_gib=2000, vcpus=64,
            memory_mib=65536, image_secret_file=str(state / "node.secret"), heartbeat_interval_s=1.0, workers=2,
        )  # fmt: skip
        secret = identity.image_secret(Path(agent.image_secret_file)).reveal()
        with self.db.write() as session:
            node = nodes.enrol(
                session, node_id=identity.node_id(state), name=name, address="",
                secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
                config=self.config.scheduler, now=SystemClock().now(),
            )  # fmt: skip
            node_tokens.set_broker_password(session, node.id, credentials.password_hash(password))
        bus = replace(
            self.config.bus, url=credentials.node_url(self.config.bus, name, password), management_url=Secret("")
        )
        self.node_buses[name] = bus
        self._service(name, "compute_agent.main", replace(self.config, agent=agent, bus=bus))

    def _service(self, name: str, module: str, config: Config) -> None:
        file = self.folder / f"{name}.conf"
        file.write_text(_ini(config))
        variables = {"CUMULET_CONFIG": str(file), killpoints.VARIABLE: str(self.kills)}
        self.supervisor.start(name, module, **variables)

    def _image(self) -> Image:
        self.image_id, now = new_id(), SystemClock().now()
        return Image(
            id=self.image_id, name="cumulet-guest", owner=project_id(self.config, "admin"), status="active",
            visibility="public", disk_format="qcow2", container_format="bare", size=4096, virtual_size=2**30,
            os_hash_algo="sha512", os_hash_value="0" * 128, checksum="0" * 32, min_disk=0, min_ram=0, properties={},
            created_at=now, updated_at=now,
        )  # fmt: skip

    def _furnish(self) -> None:
        self.wait("the API answers", self._login, START_S)
        for name, ram in FLAVORS.items():
            flavor = {"id": name, "name": name, "vcpus": 1, "ram": ram, "disk": 1}
            self.call("POST", "/compute/v2.1/flavors", {"flavor": flavor})
        made = self.call("POST", "/network/v2.0/networks", {"network": {"name": "shared", "shared": True}})
        self.network_id = str(made["network"]["id"])
        subnet = {"network_id": self.network_id, "cidr": "10.88.0.0/20", "ip_version": 4}
        self.call("POST", "/network/v2.0/subnets", {"subnet": subnet})
        self.wait_sound("a new cloud", START_S)

    def close(self) -> None:
        self._parts.close()

    # -- what a client does ---------------------------------------------------------------------------------------

    def _login(self) -> bool:
        user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        try:
            reply = requests.post(f"{self.config.api.public_url}/identity/v3/auth/tokens", json=auth, timeout=20)
        except requests.ConnectionError:
            return False
        self._token = reply.headers.get("X-Subject-Token", "")
        return reply.status_code == 201

    def call(self, method: str, path: str, body: Any = None, version: str = "compute 2.104") -> Any:
        """The decoded answer, by one service's microversion. Raises Refused, or requests.ConnectionError for none."""
        reply = requests.request(  # a connection of its own: a kept one may be to a worker that is dead
            method, self.config.api.public_url + path, json=body, timeout=30,
            headers={"X-Auth-Token": self._token, "OpenStack-API-Version": version, "Connection": "close"},
        )  # fmt: skip
        if reply.status_code >= 400:
            raise Refused(reply)
        return reply.json() if reply.content else None

    def create(self, name: str = "web", *, on_volume: bool = False, with_volume: str = "") -> str:
        """on_volume: it boots from a volume that is made for it, and goes with it. with_volume: its second disk."""
        server: dict[str, Any] = {
            "name": name, "imageRef": self.image_id, "flavorRef": "c1.tiny", "networks": "auto"
        }  # fmt: skip
        if on_volume:
            root = {
                "source_type": "image", "uuid": server.pop("imageRef"), "destination_type": "volume", "boot_index": 0,
                "volume_size": 1, "delete_on_termination": True,
            }  # fmt: skip
            server["block_device_mapping_v2"] = [root]
        if with_volume:
            second = {"source_type": "volume", "uuid": with_volume, "destination_type": "volume", "boot_index": -1}
            server["block_device_mapping_v2"] = [second]
        return str(self.call("POST", "/compute/v2.1/servers", {"server": server})["server"]["id"])

    def act(self, server_id: str, name: str, value: Any = None) -> None:
        self.call("POST", f"/compute/v2.1/servers/{server_id}/action", {name: value})

    def delete(self, server_id: str) -> None:
        """At once: this cloud keeps what is deleted otherwise for a time."""
        self.act(server_id, "forceDelete")

    def soft_delete(self, server_id: str) -> None:
        self.call("DELETE", f"/compute/v2.1/servers/{server_id}")

    def audit(self) -> dict[str, Any]:
        return dict(self.call("GET", "/cumulet/v1/audit/resources"))

    # -- what a reconciler does -----------------------------------------------------------------------------------

    def begin(self, server_id: str, action: Action) -> None:
        """An action that no client can ask for; the schedulers' sweep finds it."""
        now = SystemClock().now()
        with self.db.write() as session:
            instance = instances.get(session, server_id)
            context = RequestContext(request_id=new_request_id(), project_id=instance.project_id)
            instances.begin(session, instance, action, context, now)

    # -- what the rows say ----------------------------------------------------------------------------------------

    def row(self, server_id: str) -> Instance:
        return self.db.run(lambda session: instances.get(session, server_id, deleted=True))

    def named(self, name: str) -> list[str]:
        """Ids of the living servers with this name."""
        query = sa.select(Instance.id).where(Instance.name == name, Instance.deleted.is_(False))
        with self.db.read() as session:
            return list(session.scalars(query))

    def guest(self, server_id: str) -> dict[str, Any]:
        """What the one node that has the server's domain holds of it."""
        (found,) = self.folder.glob(f"n?/fake/domains/{server_id}*")
        return dict(json.loads(found.read_text()))

    def at_rest(self, server_id: str) -> bool:
        query = sa.select(sa.func.count()).where(
            Operation.resource_id == server_id, Operation.state.in_(OPEN_OPERATION_STATES)
        )
        with self.db.read() as session:
            return session.scalar(query) == 0

    def operated(self, resource_id: str, kind: str) -> bool:
        """Whether an operation of this kind was ever begun on it."""
        query = sa.select(sa.func.count()).where(Operation.resource_id == resource_id, Operation.kind == kind)
        with self.db.read() as session:
            return bool(session.scalar(query))

    def operations(self, server_id: str) -> list[tuple[str, str, str, Any, Any]]:
        with self.db.read() as session:
            rows = session.scalars(
                sa.select(Operation).where(Operation.resource_id == server_id).order_by(Operation.created_at)
            )
            return [(row.kind, row.state, row.step, row.sent, row.error) for row in rows]

    # -- faults ---------------------------------------------------------------------------------------------------

    def arm(self, point: str) -> None:
        (self.kills / point).touch()

    def disarm(self) -> None:
        """What did not fire must not hit another test."""
        for path in self.kills.iterdir():
            path.unlink()

    def fired(self, point: str) -> bool:
        return (self.kills / (point + killpoints.FIRED)).exists()

    def fault(self, **verbs: Any) -> None:
        """What every node's fake driver does from now on; nothing: no trouble any more."""
        for name in NODES:
            folder = self.folder / name / "fake"
            new = folder / "faults.new"
            new.write_text(json.dumps(verbs))
            new.rename(folder / "faults.json")

    def broker(self, node: str = "") -> Bus:
        """A connection of the test's own, as the control plane or as a node; the caller closes it."""
        if node:
            return Bus(Transport(self.node_buses[node], declares=False), SystemClock())
        return Bus(Transport(self.config.bus), SystemClock())

    # -- waiting --------------------------------------------------------------------------------------------------

    def wait(self, what: str, condition: Callable[[], Any], within_s: float = SETTLE_S, told: Any = None) -> Any:
        """The condition's first true value. Raises AssertionError with what `told` finds when there is none in time."""
        end = time.monotonic() + within_s
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {within_s:g} s: {what}; {told() if told else ''}"
            time.sleep(LOOK_S)
        return value

    def wait_sound(self, what: str, within_s: float = SETTLE_S) -> None:
        """Until every node answers and the product's own audit finds no difference."""
        last: dict[str, Any] = {}

        def sound() -> bool:
            try:
                last.update(self.audit())
            except (requests.ConnectionError, Refused) as err:
                last["error"] = str(err)
                return False
            return not last["differences"] and not last["nodes_silent"]

        self.wait(f"no difference after {what}", sound, within_s, lambda: last)

    def wait_rest(self, server_ids: Sequence[str], within_s: float = SETTLE_S) -> None:
        for server_id in server_ids:
            self.wait(
                f"{server_id} at rest", lambda one=server_id: self.at_rest(one), within_s,
                lambda one=server_id: self.operations(one),
            )  # fmt: skip


def _made(folder: Path, mode: int = 0o700) -> Path:
    folder.mkdir(mode=mode)
    return folder


def _ini(config: Config) -> str:
    lines = []
    for section in fields(Config):
        values = getattr(config, section.name)
        lines.append(f"[{section.name}]")
        for each in fields(values):
            value = getattr(values, each.name)
            lines.append(f"{each.name} = {value.reveal() if isinstance(value, Secret) else value}")
    return "\n".join(lines) + "\n"
