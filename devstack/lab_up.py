"""`lab up`: every step finds what is there or makes it. What takes long (broker, database, nodes) starts side by side."""

from __future__ import annotations

import hashlib
import pwd
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import host
import lab_config
import lab_engines
import lab_network
import lab_node
import services
from lab_names import AMQP_PORT, API_PORT, CONTROLLER_ADDRESS, Node, all_nodes
from layout import SERVICE_USER, Layout
from progress import side_by_side, step, wait_for
from registration import IMAGE, Registration
from services import BINARIES

START_DEADLINE_S = 60.0


class LabUp:
    """One run; what one step begins, later ones wait for."""

    def __init__(self, layout: Layout, nodes: int, virt_type: str) -> None:
        self.layout, self.virt_type = layout, virt_type
        numbers = {each.number for each in all_nodes(layout)} | set(range(1, nodes + 1))
        self.nodes = [Node(layout, number) for number in sorted(numbers)]
        self.registration = Registration(layout, lab_config.API_URL)
        self.secrets: dict[str, str] = {}
        self._pool = ThreadPoolExecutor()
        self._engines: Future[None] | None = None
        self._boots: Future[None] | None = None

    def run(self) -> None:
        """All steps. Raises StepFailed."""
        step("User, folders, configuration", self.prepare)
        step("Lab network", self.connect)
        step("Guest image", lambda: services.build_image(self.layout, IMAGE))
        step("PostgreSQL", self.wait_for_database)
        step("Database and identity", self.prepare_database)
        step("RabbitMQ", self.wait_for_broker)
        step("Services", self.start_services)
        step("Nodes", self.join_nodes)
        step("Client files", lambda: self.registration.write_client_files(self.secrets))
        step("Image and flavors", self.registration.register_image)
        step("Network, security group, keypair", self.registration.register_network)
        step("Nodes report", self.wait_for_nodes)

    def add(self, node: Node) -> None:
        """One more node joins the running lab. Raises StepFailed."""
        self.secrets = services.known_secrets(self.layout.secrets, "admin", "demo", "broker")
        self.nodes = [node]
        step(f"Boot {node.name}", lambda: self._booted(node))
        step("Join", self.join_one)
        step("It reports", self.wait_for_nodes)

    def _booted(self, node: Node) -> str:
        self._boot(node)
        return node.address

    def join_one(self) -> str:
        self.join(self.nodes[0])
        return f"{self.nodes[0].name} is enrolled"

    # -- the machine ------------------------------------------------------------------------------------------------

    def prepare(self) -> str:
        """The services' user, the folders with their owners, passwords and configuration; all kept when there."""
        host.ensure_user(SERVICE_USER)
        user = pwd.getpwnam(SERVICE_USER)
        lay = self.layout
        owned = (user.pw_uid, user.pw_gid)
        services.make_folders(
            (
                (lay.shared, 0o711, (0, 0)),
                (lay.state, 0o711, (0, 0)),
                (lay.etc, 0o750, (0, user.pw_gid)),
                (lay.log, 0o2770, owned),
                (lay.run, 0o711, (0, 0)),
                (lay.run / "postgresql", 0o700, owned),
                (lay.state / "postgresql", 0o700, owned),
                (lay.state / "rabbitmq", 0o700, owned),
                (lay.state / "fernet", 0o700, owned),
                (lay.state / "images", 0o750, owned),
                (lay.state / "gateway", 0o711, (0, 0)),
                (lay.client, 0o755, None),
            )
        )
        self.secrets = services.known_secrets(lay.secrets, "admin", "demo", "broker")
        lab_config.write(lay, self.secrets, user.pw_gid)
        lab_engines.configure_broker(lay, self.secrets["broker"])
        return str(lay.config)

    def connect(self) -> str:
        """The network; then the engines and the nodes begin to start."""
        lab_network.ensure_switch()
        host.open_kvm()
        lay = self.layout
        if not host.alive(lay.supervisor_pid):
            programs = [
                *lab_engines.broker_programs(lay), lab_engines.postgresql_program(lay), *lab_config.programs(lay),
            ]  # fmt: skip
            services.write_supervisor_config(lay.supervisor_config, run=lay.run, log=lay.log, programs=programs)
            services.start_supervisor(lay)
        self._engines = self._pool.submit(self._start_database)
        self._boots = self._pool.submit(side_by_side, self._boot, self.nodes)
        return f"controller {CONTROLLER_ADDRESS}, nodes from {self.nodes[0].address}"

    def _start_database(self) -> None:
        lab_engines.make_database_cluster(self.layout)
        services.start_program(self.layout.run / "supervisor.sock", "postgresql")
        lab_engines.wait_for_database(self.layout)

    def _boot(self, node: Node) -> None:
        lab_node.install(node)
        lab_node.boot(node)

    # -- the services -----------------------------------------------------------------------------------------------

    def wait_for_database(self) -> str:
        assert self._engines is not None
        self._engines.result()
        return lab_engines.database_url(self.layout)

    def prepare_database(self) -> str:
        services.migrate(self.layout, self.secrets)
        return "schema, domain, projects, users, catalogue"

    def wait_for_broker(self) -> str:
        lab_engines.wait_for_broker(self.layout)
        return f"127.0.0.1:{AMQP_PORT} and {CONTROLLER_ADDRESS}:{AMQP_PORT}"

    def start_services(self) -> str:
        urls = {"api": f"http://127.0.0.1:{API_PORT}"}
        urls |= {name: f"http://127.0.0.1:{port}" for name, port in lab_config.SCHEDULERS.items()}
        for name in urls:
            services.start_program(self.layout.run / "supervisor.sock", name)
        deadline = time.monotonic() + START_DEADLINE_S
        for name, url in urls.items():
            services.wait_healthy(name, url, deadline, self.layout.log)
        return f"{', '.join(urls)} answer"

    def join_nodes(self) -> str:
        assert self._boots is not None
        self._boots.result()
        side_by_side(self.join, self.nodes)
        return ", ".join(f"{node.name} {node.address}" for node in self.nodes)

    def join(self, node: Node) -> None:
        """Make the node known, give its agent what it needs, and start it."""
        secret = node.folder / "agent/node.secret"
        _make_secret(secret)
        self._enrol(node.name, node.address, secret)
        lab_node.configure(node, lab_config.node(node, self.secrets, self._bus_url(), self.virt_type))
        lab_node.start_agent(node)

    def _enrol(self, name: str, address: str, secret: Path, *flags: str) -> None:
        digest = hashlib.sha256(secret.read_bytes().strip()).hexdigest()
        words = ["node", "enrol", name, "--secret-sha256", digest, "--address", address, *flags]
        env = {"CUMULET_CONFIG": str(self.layout.config)}
        services.as_user([BINARIES / "cumulet", *words], what=f"enrolling {name}", env=env)

    def _bus_url(self) -> str:
        return f"amqp://{SERVICE_USER}:{self.secrets['broker']}@{CONTROLLER_ADDRESS}:{AMQP_PORT}//"

    def wait_for_nodes(self) -> str:
        wanted = {node.name for node in self.nodes}
        wait_for(
            lambda: wanted <= self.registration.nodes_up(),
            deadline_s=START_DEADLINE_S,
            failed=lambda: (
                f"{', '.join(sorted(wanted - self.registration.nodes_up()))} did not report;"
                f" see {self.layout.state}/nodes/NODE/log/compute-agent.log and {self.layout.log}/scheduler.log"
            ),
        )
        return f"{len(wanted)} up"


def _make_secret(path: Path) -> None:
    if not path.exists():
        host.write_private(path, secrets.token_urlsafe(32))
