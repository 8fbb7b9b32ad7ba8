"""A cloud to measure: PostgreSQL that really syncs, RabbitMQ, and Cumulet's own processes, all in one private folder.

The folder is on a disk, never in memory, because the price of fsync is part of every figure.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.http import Client, login
from cli.db import migrate
from common.bootstrap import bootstrap, derived_id
from common.clock import SystemClock
from common.config import (
    AgentConfig,
    ApiConfig,
    BusConfig,
    CloudConfig,
    Config,
    DatabaseConfig,
    IdentityConfig,
    ImageConfig,
    NetworkConfig,
    QuotaConfig,
    SchedulerConfig,
)
from common.db import node_tokens, nodes
from common.db.models import Image
from common.db.session import Database
from common.ids import new_id
from common.rpc import credentials
from common.rpc.broker import Broker
from common.rpc.transport import Transport
from common.secret import Secret
from compute_agent.identity import image_secret
from tests.fixtures import postgresql, rabbitmq
from tests.fixtures.ports import free_port

PASSWORD = "only for figures"
CLOUD_UUID = "c10d0000-0000-4000-8000-0000000000be"
FLAVOR, START_S = "c1.tiny", 30.0
NO_QUOTA = QuotaConfig(instances=-1, cores=-1, ram_mib=-1, ports=-1)


@dataclass
class BenchCloud:
    """What runs. `groups` are process ids by part, for processes.Meter."""

    folder: Path
    config: Config
    db: Database
    groups: dict[str, list[int]]
    image_id: str = ""
    network_id: str = ""
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.config.api.port

    def client(self, user: str = "demo", project: str = "demo") -> Client:
        return Client(self.port, login(self.port, user, PASSWORD, project))

    def token(self) -> str:
        """demo's."""
        return login(self.port, "demo", PASSWORD, "demo")

    def start(
        self, group: str, program: str, config: Config, name: str, within: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """One of the installed programs, with its configuration in the folder; its log lies beside.

        within: a command that ends by becoming the one that follows it.
        """
        path = self.folder / f"{name}.conf"
        path.write_text(render(config))
        executable = Path(sys.executable).parent / program
        with (self.folder / f"{name}.log").open("wb") as out:
            process = subprocess.Popen(
                [*within, str(executable)], env={**os.environ, "CUMULET_CONFIG": str(path)}, stdout=out, stderr=out,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._started.append(process)
        self.groups.setdefault(group, []).append(process.pid)
        return process

    def start_api(self, workers: int = 1) -> None:
        config = replace(self.config, api=replace(self.config.api, workers=workers))
        self.start("api", "cumulet-api", config, "api")
        wait_for("the API to answer", self.answers)

    def start_scheduler(self, name: str) -> None:
        config = replace(self.config, scheduler=replace(self.config.scheduler, name=name))
        self.start("schedulers", "cumulet-scheduler", config, name)

    def start_agents(self, count: int) -> None:
        names = [f"node{number + 1}" for number in range(count)]
        for name in names:
            state_dir = self.folder / name
            state_dir.mkdir(mode=0o711)
            secret_file = state_dir / "secret"
            bus = self.enrol(name, image_secret(secret_file))
            agent = replace(self.config.agent, node=name, state_dir=str(state_dir), image_secret_file=str(secret_file))
            self.start("agents", "cumulet-compute-agent", replace(self.config, agent=agent, bus=bus), name)
        self.wait_for_agents(count)

    def wait_for_agents(self, count: int) -> None:
        wait_for("the agents' first heartbeats", lambda: self._alive() == count)

    def enrol(self, name: str, secret: Secret) -> BusConfig:
        """As joining does: a row, and a user of the node's own on the broker. The bus as the node is to reach it."""
        password = credentials.make_password()
        hashed = credentials.password_hash(password)
        with self.db.write() as session:
            node = nodes.enrol(
                session, node_id=new_id(), name=name, address="", config=self.config.scheduler, now=SystemClock().now(),
                secret_hash=hashlib.sha256(secret.reveal().encode()).hexdigest(),
            )  # fmt: skip
            node_tokens.set_broker_password(session, node.id, hashed)
        transport = Transport(self.config.bus)
        Broker(self.config.bus, transport).ensure_node(name, hashed)
        transport.close()
        return BusConfig(url=credentials.node_url(self.config.bus, name, password))

    def answers(self) -> bool:
        client = Client(self.port)
        try:
            client.request("GET", "/compute/v2.1/")
        except OSError:
            return False
        finally:
            client.close()
        return True

    def furnish(self, image_id: str = "") -> None:
        """An image (of which only the record is there, unless one is given), the flavor, and a network for many servers."""
        self.image_id = image_id or self._image()
        admin = self.client("admin", "admin")
        flavor = {"id": FLAVOR, "name": FLAVOR, "vcpus": 1, "ram": 128, "disk": 1}
        admin.request("POST", "/compute/v2.1/flavors", {"flavor": flavor})
        network = admin.request("POST", "/network/v2.0/networks", {"network": {"name": "shared", "shared": True}})
        self.network_id = network["network"]["id"]
        subnet = {"network_id": self.network_id, "cidr": "10.88.0.0/16", "ip_version": 4}
        admin.request("POST", "/network/v2.0/subnets", {"subnet": subnet})
        admin.close()

    def server(self, name: str, networks: Any = "none") -> dict[str, Any]:
        """The body of a create request."""
        return {"server": {"name": name, "flavorRef": FLAVOR, "imageRef": self.image_id, "networks": networks}}

    def scalar(self, statement: str, **values: Any) -> Any:
        with self._looking() as connection:
            return connection.execute(sa.text(statement), values).scalar()

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        with self._looking() as connection:
            return connection.execute(sa.text(statement), values).all()

    def _looking(self) -> sa.Connection:
        """One round trip a look, without a transaction round it: looking often must not slow down what is measured."""
        return self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def stop_all_but_api(self) -> None:
        """For rows that no node has: the schedulers would take their servers for lost, all through the measurement."""
        self._stop([process for process in self._started if process.pid not in self.groups["api"]])

    def stop(self) -> None:
        self._stop(list(self._started))

    def _stop(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            self._started.remove(process)
        ended = {process.pid for process in processes}
        for group in ("api", "schedulers", "agents"):
            if left := [pid for pid in self.groups.pop(group, []) if pid not in ended]:
                self.groups[group] = left

    def _alive(self) -> int:
        return int(self.scalar("SELECT count(*) FROM nodes WHERE last_heartbeat_at IS NOT NULL"))

    def _image(self) -> str:
        image_id, now = new_id(), SystemClock().now()
        with self.db.write() as session:
            session.add(
                Image(
                    id=image_id, name="guest", owner=derived_id(self.config, "projects", "admin"), status="active",
                    visibility="public", disk_format="qcow2", container_format="bare", size=4096, virtual_size=2**30,
                    os_hash_algo="sha512", os_hash_value="0" * 128, checksum="0" * 32, min_disk=0, min_ram=0,
                    properties={}, created_at=now, updated_at=now,
                )
            )  # fmt: skip
        return image_id


@contextmanager
def running() -> Iterator[BenchCloud]:
    """Database and broker, migrated and bootstrapped, with no service of ours yet; everything is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cml-bench-", dir="/var/tmp"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("postgresql", "rabbitmq"):
            (folder / name).mkdir()
        server = stack.enter_context(postgresql.running(folder / "postgresql", "fsync=on", "max_connections=200"))
        broker = stack.enter_context(rabbitmq.running(folder / "rabbitmq"))
        bus = BusConfig(url=Secret(broker.url()), management_url=Secret(broker.management_url))
        config = make_config(folder, server.url(server.create_database()), bus)
        migrate(config)
        db = Database(config.database)
        stack.callback(db.close)
        with db.write() as session:
            passwords = {name: Secret(PASSWORD) for name in ("admin", "demo")}
            bootstrap(session, config, SystemClock().now(), passwords)
        postmaster = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        cloud = BenchCloud(folder, config, db, {"postgresql": [postmaster], "rabbitmq": [broker.pid]})
        stack.callback(cloud.stop)
        yield cloud


def make_config(folder: Path, database_url: str, bus: BusConfig) -> Config:
    port = free_port()
    return Config(
        cloud=CloudConfig(uuid=CLOUD_UUID, state_dir=str(folder), log_dir="", run_dir=str(folder)),
        database=DatabaseConfig(url=database_url),
        bus=bus,
        api=ApiConfig(port=port, public_url=f"http://127.0.0.1:{port}"),
        identity=IdentityConfig(fernet_dir=str(folder / "fernet")),
        image=ImageConfig(store_dir=str(folder / "images")),
        scheduler=SchedulerConfig(health_port=0),
        agent=AgentConfig(driver="fake", health_port=0, vcpus=4096, memory_mib=2**22, disk_gib=2**16),
        network=NetworkConfig(networking="none"),
        quota=NO_QUOTA,
    )


def render(config: Config) -> str:
    """The INI file of a configuration."""
    lines = []
    for section in dataclasses.fields(config):
        values = getattr(config, section.name)
        lines.append(f"[{section.name}]")
        for key in dataclasses.fields(values):
            value = getattr(values, key.name)
            lines.append(f"{key.name} = {value.reveal() if isinstance(value, Secret) else value}")
    return "\n".join(lines) + "\n"


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float = START_S, pause_s: float = 0.02) -> None:
    """Raises RuntimeError when it takes longer."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {timeout_s:g} s for {what}")
        time.sleep(pause_s)
