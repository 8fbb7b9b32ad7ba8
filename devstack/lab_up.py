"""`lab up`: every step finds what is there or makes it. What takes long (broker, database, nodes) starts side by side."""

from __future__ import annotations

import pwd
import time
from concurrent.futures import Future, ThreadPoolExecutor

import host
import lab_certificates
import lab_cgroups
import lab_config
import lab_engines
import lab_network
import lab_node
import services
from lab_names import AMQP_PORT, API_PORT, CONSOLE_PORT, CONTROLLER, CONTROLLER_ADDRESS, GATEWAY_PORT, Node, all_nodes
from layout import SERVICE_USER, Layout
from progress import side_by_side, step, wait_for
from registration import IMAGE, Registration
from services import BINARIES

START_DEADLINE_S = 60.0


class LabUp:
    """One run; what one step begins, later ones wait for."""

    def __init__(self, layout: Layout, nodes: int, virt_type: str, *, gateways: int = 0) -> None:
        """gateways: nodes up to this number join as gateways, too; what has joined keeps its roles."""
        self.layout, self.virt_type, self.gateways = layout, virt_type, gateways
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
        step("noVNC", lambda: services.fetch_novnc(self.layout))
        step("Guest image", lambda: services.build_image(self.layout, IMAGE))
        step("PostgreSQL", self.wait_for_database)
        step("Database and identity", self.prepare_database)
        step("RabbitMQ", self.wait_for_broker)
        step("Services", self.start_services)
        step("Client files", lambda: self.registration.write_client_files(self.secrets))
        step("Gateway and nodes join", self.join_all)
        step("Image and flavors", self.registration.register_image)
        step("Network, security group, keypair", self.registration.register_network)
        step("Types of volumes", self.registration.register_volume_types)
        step("They report", self.wait_for_all)

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
        return f"{self.nodes[0].name} has joined"

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
        lab_certificates.make_authority(lay)
        return str(lay.config)

    def connect(self) -> str:
        """The network; then the engines and the nodes begin to start."""
        lab_network.ensure_switch()
        lab_cgroups.ensure_tree(self.layout)
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
        lab_certificates.install(node)
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
        urls = {"api": f"http://127.0.0.1:{API_PORT}", "console": f"http://127.0.0.1:{CONSOLE_PORT}"}
        urls |= {name: f"http://127.0.0.1:{port}" for name, port in lab_config.SCHEDULERS.items()}
        for name in urls:
            services.start_program(self.layout.run / "supervisor.sock", name)
        deadline = time.monotonic() + START_DEADLINE_S
        for name, url in urls.items():
            services.wait_healthy(name, url, deadline, self.layout.log)
        return f"{', '.join(urls)} answer"

    def join_all(self) -> str:
        """Side by side: each waits a second or two for its credentials to be known to the broker."""
        assert self._boots is not None
        self._boots.result()
        gateway = self._pool.submit(self.join_gateway)
        side_by_side(self.join, self.nodes)
        gateway.result()
        return ", ".join([CONTROLLER, *(node.name for node in self.nodes)])

    def join(self, node: Node) -> None:
        """Let the node have its credentials, if it has none, and start its agent."""
        if not lab_node.has_joined(node):
            token = self.registration.join_token(node.name, is_gateway=node.number <= self.gateways)
            lab_node.join(node, lab_config.node(node, self.virt_type), self.registration.url, token)
        lab_node.start_agent(node)

    def join_gateway(self) -> None:
        """The agent on the controller, which holds the gateways of all networks: by it guests are reached from here."""
        lay = self.layout
        config = lay.etc / "gateway.conf"
        if not services.has_joined(config):
            services.write_config(config, lab_config.gateway(lay), mode=0o600)
            token = self.registration.join_token(CONTROLLER, is_gateway=True, is_compute=False)
            arguments = ["--join", self.registration.url, "--token", "-", "--address", CONTROLLER_ADDRESS]
            command = [BINARIES / "cumulet-compute-agent", *arguments, "--config", config]
            host.run([str(word) for word in command], timeout_s=60, what="joining the gateway", stdin=token, cwd="/")
        services.start_program(lay.run / "supervisor.sock", "gateway")

    def wait_for_all(self) -> str:
        deadline = time.monotonic() + START_DEADLINE_S
        services.wait_healthy("gateway", f"http://127.0.0.1:{GATEWAY_PORT}", deadline, self.layout.log)
        return self.wait_for_nodes()

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
