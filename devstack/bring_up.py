"""The part of `devstack/up` that runs in the virtual environment: each step finds what is there or makes it.

Not run by hand: devstack/up prepares the machine first.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import time
from typing import Any

import host
import services
from layout import SERVICE_USER, Layout, find
from progress import StepFailed, step, wait_for
from registration import IMAGE, KEYPAIR, NETWORK, Registration
from services import BINARIES, Program

SSH_DEADLINE_S = 150.0
START_DEADLINE_S = 30.0
ACTIVE_DEADLINE_S = 120.0
SERVER = "first"


def main() -> int:
    parser = argparse.ArgumentParser(prog="devstack/up")
    parser.add_argument("--virt-type", choices=("auto", "kvm", "qemu"), default="auto")
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--elapsed-ms", type=int, default=0)
    options = parser.parse_args()
    begun = time.monotonic() - options.elapsed_ms / 1000
    up = Up(find(), options.virt_type, options.listen)
    try:
        step("User, folders, configuration", up.prepare)
        step("noVNC", lambda: services.fetch_novnc(up.layout))
        step("Guest image", lambda: services.build_image(up.layout, IMAGE))
        step("libvirt", lambda: host.start_libvirt(up.layout.run))
        step("Database and identity", up.prepare_database)
        step("Services", up.start_services)
        step("Client files", lambda: up.registration.write_client_files(up.secrets))
        step("Image and flavors", up.registration.register_image)
        step("Network, security group, keypair", up.registration.register_network)
        step("First server", up.first_server)
        step("SSH into it", up.wait_for_ssh)
    except StepFailed as err:
        print(f"\n{err}", file=sys.stderr)
        print(f"Logs: {up.layout.log}. Run devstack/up again after mending it.", file=sys.stderr)
        return 1
    up.summary(time.monotonic() - begun)
    return 0


class Up:
    """One run; what one step finds out, later ones use."""

    def __init__(self, layout: Layout, virt_type: str, listen: str) -> None:
        self.layout, self.virt_type, self.listen = layout, virt_type, listen
        self.url = f"http://{listen}:8780"
        self.registration = Registration(layout, self.url)
        self.secrets: dict[str, str] = {}
        self.address = ""
        self.server_id = ""

    # -- the machine and the services -------------------------------------------------------------------------------

    def prepare(self) -> str:
        """The services' user, the folders with their owners, the configuration; all kept when there."""
        host.ensure_user(SERVICE_USER)
        user = pwd.getpwnam(SERVICE_USER)
        lay = self.layout
        owned = (user.pw_uid, user.pw_gid)
        services.make_folders(
            (
                (lay.etc, 0o750, (0, user.pw_gid)),
                (lay.state, 0o711, (0, 0)),
                (lay.log, 0o2770, owned),
                (lay.run, 0o711, (0, 0)),
                (lay.state / "db", 0o700, owned),
                (lay.state / "fernet", 0o700, owned),
                (lay.state / "images", 0o750, owned),
                (lay.state / "bus", 0o2770, owned),
                (lay.state / "bus/queue", 0o2770, owned),
                (lay.state / "bus/control", 0o2770, owned),
                (lay.state / "bus/taken", 0o2770, owned),
                (lay.agent, 0o711, (0, 0)),
                (lay.client, 0o755, None),
            )
        )
        # the agent, root, writes messages that api and scheduler must read and remove, whatever its umask
        shared = [str(lay.state / "bus" / name) for name in ("queue", "control", "taken")]
        host.run(
            ["setfacl", "--default", "--modify", "group::rwx,other::-", *shared],
            timeout_s=10,
            what="sharing the message folder",
        )
        self.secrets = services.known_secrets(lay.secrets, "admin", "demo")
        secret = lay.agent / "node.secret"
        if not secret.exists():
            host.write_private(secret, secrets.token_urlsafe(32))
        written = services.write_config(lay.config, self._configuration(), group=user.pw_gid)
        return f"{lay.config} {'written' if written else 'kept'}"

    def _configuration(self) -> dict[str, dict[str, object]]:
        lay = self.layout
        return {
            "cloud": {
                "uuid": self.secrets["cloud_uuid"],
                "state_dir": lay.state,
                "log_dir": lay.log,
                "run_dir": lay.run,
            },
            "database": {"url": f"sqlite:///{lay.state}/db/cumulet.sqlite"},
            "bus": {"url": "filesystem://", "folder": lay.state / "bus"},
            "api": {"listen": self.listen, "public_url": self.url},
            "identity": {"fernet_dir": lay.state / "fernet"},
            "image": {"store_dir": lay.state / "images"},
            "console": {"novnc_dir": lay.novnc},
            "agent": {
                "driver": self.virt_type,
                "state_dir": lay.agent,
                "image_secret_file": lay.agent / "node.secret",
                "address": self.listen,
            },
            "network": {"dns_upstreams": host.dns_upstreams()},
        }

    def prepare_database(self) -> str:
        """Schema, token keys, identity, and this node."""
        services.migrate(self.layout, self.secrets)
        secret_hash = hashlib.sha256((self.layout.agent / "node.secret").read_bytes().strip()).hexdigest()
        words = [
            "node",
            "enrol",
            os.uname().nodename,
            "--gateway",
            "--secret-sha256",
            secret_hash,
            "--address",
            self.listen,
        ]
        env = {"CUMULET_CONFIG": str(self.layout.config)}
        services.as_user([BINARIES / "cumulet", *words], what="enrolling this node", env=env)
        return str(self.layout.state / "db/cumulet.sqlite")

    def start_services(self) -> str:
        lay = self.layout
        if not host.alive(lay.supervisor_pid):
            services.write_supervisor_config(lay.supervisor_config, run=lay.run, log=lay.log, programs=self._programs())
            services.start_supervisor(lay)
        deadline = time.monotonic() + START_DEADLINE_S
        for name, url in (
            ("api", self.url),
            ("scheduler", "http://127.0.0.1:8781"),
            ("console", f"http://{self.listen}:6080"),
            ("compute-agent", "http://127.0.0.1:8782"),
        ):
            services.wait_healthy(name, url, deadline, lay.log)
        return "api, scheduler, console and compute-agent answer"

    def _programs(self) -> list[Program]:
        """api, scheduler and console as an ordinary user, the agent and the node's watchdog as root."""
        env = {"CUMULET_CONFIG": self.layout.config}
        users = dict.fromkeys(("api", "scheduler", "console"), SERVICE_USER)
        users |= {"compute-agent": "root", "node-watchdog": "root"}
        return [Program(name, [BINARIES / f"cumulet-{name}"], user, env) for name, user in users.items()]

    # -- what people use --------------------------------------------------------------------------------------------

    def first_server(self) -> str:
        """Made once, never again: who deleted it does not want it back, but then there must be another to log in to."""
        demo = self.registration.cloud("cumulet")
        self._wait_for_node()
        server = demo.compute.find_server(SERVER)
        if (
            server is not None and demo.compute.get_server(server.id).status == "ERROR"
        ):  # an earlier run's; it never ran
            demo.delete_server(server.id, wait=True, timeout=60)
            server = None
        made = server is None
        if server is None:
            server = demo.create_server(
                SERVER, image=IMAGE, flavor="c1.tiny", network=NETWORK, key_name=KEYPAIR, wait=False, auto_ip=False
            )
        server = self._wait_active(demo, server.id)
        self.server_id = server.id
        self.address = next(iter(server.addresses.values()))[0]["addr"]
        return f"{SERVER} {'made' if made else 'found'}, {self.address}"

    def _wait_for_node(self) -> None:
        """The first heartbeat may come a few seconds after the agent's start."""
        log = self.layout.log
        wait_for(
            lambda: bool(self.registration.nodes_up()),
            deadline_s=START_DEADLINE_S,
            failed=lambda: f"the agent of this node has not reported; see {log}/compute-agent.log and scheduler.log",
        )

    def _wait_active(self, demo: Any, server_id: str) -> Any:
        deadline = time.monotonic() + ACTIVE_DEADLINE_S
        while time.monotonic() < deadline:
            server = demo.compute.get_server(server_id)
            if server.status == "SHUTOFF" and server.task_state is None:
                demo.compute.start_server(server)
            if server.status == "ACTIVE" and server.task_state is None and server.addresses:
                return server
            if server.status == "ERROR":
                raise StepFailed(
                    f"server {SERVER} ({server_id}) is in ERROR: {(server.fault or {}).get('message')}\n"
                    f"Ask `cumulet server why {server_id}`; delete the server and run devstack/up again."
                )
            time.sleep(0.2)
        raise StepFailed(
            f"server {SERVER} ({server_id}) did not become ACTIVE within {ACTIVE_DEADLINE_S:.0f} s; "
            f"ask `cumulet operation list`"
        )

    def ssh_command(self) -> list[str]:
        return [
            "ssh",
            "-i",
            str(self.layout.client / "id_demo"),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            f"root@{self.address}",
        ]

    def wait_for_ssh(self) -> str:
        deadline = time.monotonic() + SSH_DEADLINE_S
        last = ""
        while time.monotonic() < deadline:
            command = [
                *self.ssh_command()[:-1],
                "-o",
                "ConnectTimeout=3",
                "-o",
                "BatchMode=yes",
                f"root@{self.address}",
                "hostname; uptime",
            ]
            tried = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            if tried.returncode == 0:
                return f"it calls itself {tried.stdout.split()[0]}"
            last = tried.stderr.strip()
            time.sleep(0.3)
        raise StepFailed(
            f"{self.address} did not answer SSH within {SSH_DEADLINE_S:.0f} s: {last}\n"
            f"Look at the console: openstack --os-cloud cumulet console log show {SERVER}; then at `cumulet check`"
        )

    def summary(self, total_s: float) -> None:
        client = self.layout.client
        venv_note = "" if shutil.which("openstack") else f"   (it is in {BINARIES}, which openrc puts on PATH)"
        print(f"""
The cloud is up after {total_s:.1f} s.

  Server    {SERVER} at {self.address}; log in: {" ".join(self.ssh_command())}
  openstack source {client}/openrc.demo && openstack server list{venv_note}
            source {client}/openrc (administrator), or OS_CLIENT_CONFIG_FILE={client}/clouds.yaml --os-cloud cumulet
  cumulet   cumulet check; cumulet server why {SERVER}; cumulet operation list; cumulet node list
  API       {self.url}; logs in {self.layout.log}
  Stop      devstack/down (data stays; devstack/up brings the servers back), devstack/down --purge
""")
        print(f"SERVER_ID={self.server_id}")
        print(f"SSH={' '.join(self.ssh_command())}")
        print(f"OPENRC={client}/openrc")


if __name__ == "__main__":
    sys.exit(main())
