"""The part of `devstack/up` that runs in the virtual environment: each step finds what is there or makes it.

Not run by hand: devstack/up prepares the machine first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import host
from layout import SERVICE_USER, Layout, find

SSH_DEADLINE_S = 150.0
START_DEADLINE_S = 30.0
ACTIVE_DEADLINE_S = 120.0
IMAGE, NETWORK, SERVER, KEYPAIR = "cumulet-guest", "shared", "first", "demo"
FLAVORS = (("c1.tiny", 1, 128, 1), ("c1.small", 1, 256, 2))  # name, vCPUs, MiB, GiB


class StepFailed(Exception):
    """What failed and what to do about it."""


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
        step("Guest image", up.build_image)
        step("libvirt", up.start_libvirt)
        step("Database and identity", up.prepare_database)
        step("Services", up.start_services)
        step("Client files", up.write_client_files)
        step("Image and flavors", up.register_image)
        step("Network, security group, keypair", up.register_network)
        step("First server", up.first_server)
        step("SSH into it", up.wait_for_ssh)
    except StepFailed as err:
        print(f"\n{err}", file=sys.stderr)
        print(f"Logs: {up.layout.log}. Run devstack/up again after mending it.", file=sys.stderr)
        return 1
    up.summary(time.monotonic() - begun)
    return 0


def step(name: str, work: Callable[[], str]) -> None:
    """Run one step; show its name, its time and what it found or did."""
    print(f"  {name:<34}", end="", flush=True)
    begun = time.monotonic()
    try:
        found = work()
    except StepFailed:
        print(f" FAILED after {time.monotonic() - begun:.1f} s")
        raise
    except Exception as err:
        print(f" FAILED after {time.monotonic() - begun:.1f} s")
        raise StepFailed(f"{name}: {type(err).__name__}: {err}") from err
    print(f" ok  {time.monotonic() - begun:6.1f} s  {found}")


class Up:
    """One run; what one step finds out, later ones use."""

    def __init__(self, layout: Layout, virt_type: str, listen: str) -> None:
        self.layout, self.virt_type, self.listen = layout, virt_type, listen
        self.url = f"http://{listen}:8780"
        self.binaries = Path(sys.executable).parent
        self.secrets = layout.etc / "secrets.json"
        self.environment = {**os.environ, "CUMULET_CONFIG": str(layout.config)}
        self.address = ""
        self.server_id = ""
        self._clouds: dict[str, Any] = {}

    # -- the machine ------------------------------------------------------------------------------------------------

    def prepare(self) -> str:
        """The services' user, the folders with their owners, the configuration; all kept when there."""
        host.ensure_user(SERVICE_USER)
        user = pwd.getpwnam(SERVICE_USER)
        lay = self.layout
        owned = (user.pw_uid, user.pw_gid)
        for folder, mode, owner in (
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
        ):
            folder.mkdir(parents=True, exist_ok=True)
            if owner is not None:
                os.chown(folder, *owner)
                folder.chmod(mode)
        # the agent, root, writes messages that api and scheduler must read and remove, whatever its umask
        shared = [str(lay.state / "bus" / name) for name in ("queue", "control", "taken")]
        host.run(
            ["setfacl", "--default", "--modify", "group::rwx,other::-", *shared],
            timeout_s=10,
            what="sharing the message folder",
        )
        self._secrets()
        secret = lay.agent / "node.secret"
        if not secret.exists():
            host.write_private(secret, secrets.token_urlsafe(32))
        text = self._configuration()
        kept = lay.config.exists() and lay.config.read_text() == text
        if not kept:
            host.write_private(lay.config, text, mode=0o640, group=user.pw_gid)
        return f"{lay.config} {'kept' if kept else 'written'}"

    def _secrets(self) -> dict[str, str]:
        """Generated once: passwords of admin and demo, the cloud's UUID."""
        if self.secrets.exists():
            return dict(json.loads(self.secrets.read_text()))
        made = {"admin": secrets.token_urlsafe(18), "demo": secrets.token_urlsafe(18), "cloud_uuid": str(uuid.uuid4())}
        host.write_private(self.secrets, json.dumps(made))
        return made

    def _configuration(self) -> str:
        lay = self.layout
        driver = self.virt_type if self.virt_type != "auto" else "auto"
        sections = {
            "cloud": {
                "uuid": self._secrets()["cloud_uuid"],
                "state_dir": lay.state,
                "log_dir": lay.log,
                "run_dir": lay.run,
            },
            "database": {"url": f"sqlite:///{lay.state}/db/cumulet.sqlite"},
            "bus": {"url": "filesystem://", "folder": lay.state / "bus"},
            "api": {"listen": self.listen, "public_url": self.url},
            "identity": {"fernet_dir": lay.state / "fernet"},
            "image": {"store_dir": lay.state / "images"},
            "agent": {
                "driver": driver,
                "state_dir": lay.agent,
                "image_secret_file": lay.agent / "node.secret",
                "address": self.listen,
            },
            "network": {"dns_upstreams": host.dns_upstreams()},
        }
        lines = ["# Written by devstack/up; etc/cumulet.conf.sample explains every key."]
        for name, values in sections.items():
            lines += ["", f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]
        return "\n".join(lines) + "\n"

    def build_image(self) -> str:
        out = self.layout.state / "guest"
        image = out / f"{IMAGE}.qcow2"
        before = image.stat().st_mtime if image.exists() else 0.0
        host.run(
            [
                str(self.layout.checkout / "devstack/build-image"),
                str(out),
                "--deb-cache",
                str(self.layout.state / "debs"),
            ],
            timeout_s=300,
            what="building the guest image",
        )
        made = image.stat()
        return f"{made.st_size / 2**20:.1f} MiB, {'kept' if made.st_mtime == before else 'built'}"

    def start_libvirt(self) -> str:
        return host.start_libvirt(self.layout.run)

    # -- the services -----------------------------------------------------------------------------------------------

    def prepare_database(self) -> str:
        """Schema, token keys, identity and this node; as the services' user, who owns them."""
        known = self._secrets()
        environment = {
            **self.environment,
            "CUMULET_ADMIN_PASSWORD": known["admin"],
            "CUMULET_DEMO_PASSWORD": known["demo"],
        }
        self._as_user(["cumulet", "db", "migrate", "--bootstrap"], environment, "migrating the database")
        secret_hash = hashlib.sha256((self.layout.agent / "node.secret").read_bytes().strip()).hexdigest()
        self._as_user(
            [
                *("cumulet", "node", "enrol", os.uname().nodename, "--gateway"),
                *("--secret-sha256", secret_hash, "--address", self.listen),
            ],
            self.environment,
            "enrolling this node",
        )
        return str(self.layout.state / "db/cumulet.sqlite")

    def _as_user(self, words: list[str], environment: dict[str, str], what: str) -> None:
        user = pwd.getpwnam(SERVICE_USER)
        command = [
            "setpriv",
            f"--reuid={user.pw_uid}",
            f"--regid={user.pw_gid}",
            "--init-groups",
            str(self.binaries / words[0]),
            *words[1:],
        ]
        host.run(command, timeout_s=120, what=what, env=environment, cwd="/")

    def start_services(self) -> str:
        if not host.supervisor_runs(self.layout):
            host.write_supervisor_config(self.layout, self.binaries)
            host.run(
                [str(self.binaries / "supervisord"), "-c", str(self.layout.supervisor_config)],
                timeout_s=20,
                what="starting the supervisor",
                cwd="/",
            )
        deadline = time.monotonic() + START_DEADLINE_S
        for name, url in (
            ("api", self.url),
            ("scheduler", "http://127.0.0.1:8781"),
            ("compute-agent", "http://127.0.0.1:8782"),
        ):
            self._wait_healthy(name, f"{url}/healthz", deadline)
        return "api, scheduler and compute-agent answer"

    def _wait_healthy(self, name: str, url: str, deadline: float) -> None:
        problem = ""
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=3) as answer:
                    if answer.status == 200:
                        return
            except OSError as err:
                problem = getattr(err, "read", lambda: b"")().decode(errors="replace") or str(err)
            time.sleep(0.1)
        raise StepFailed(
            f"{name} does not answer at {url}: {problem[:500]}\nSee {self.layout.log}/{name}.log and {name}.out"
        )

    # -- what people use --------------------------------------------------------------------------------------------

    def write_client_files(self) -> str:
        known = self._secrets()
        client = self.layout.client
        clouds = {}
        for cloud, user, file in (("cumulet-admin", "admin", "openrc"), ("cumulet", "demo", "openrc.demo")):
            auth = {
                "auth_url": f"{self.url}/identity/v3",
                "username": user,
                "password": known[user],
                "project_name": user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            }
            clouds[cloud] = {"auth": auth, "region_name": "RegionOne", "identity_api_version": 3}
            lines = [f"export OS_{key.upper()}='{value}'" for key, value in auth.items()]
            lines += [
                "export OS_REGION_NAME='RegionOne'",
                "export OS_IDENTITY_API_VERSION='3'",
                f"export CUMULET_CONFIG='{self.layout.config}'",  # for `cumulet check`, and where state was moved
                f"export PATH='{self.binaries}':\"$PATH\"",
            ]
            host.write_private(client / file, "\n".join(lines) + "\n")
        host.write_private(client / "clouds.yaml", json.dumps({"clouds": clouds}, indent=2) + "\n")  # JSON is YAML
        host.ensure_ssh_key(client / "id_demo")
        return f"{client}/openrc, openrc.demo, clouds.yaml, id_demo"

    def cloud(self, name: str) -> Any:
        """A connection of openstacksdk, made once."""
        if name not in self._clouds:
            import openstack

            loader = openstack.config.OpenStackConfig(
                config_files=[str(self.layout.client / "clouds.yaml")], load_envvars=False
            )
            self._clouds[name] = openstack.connection.Connection(config=loader.get_one(cloud=name))
        return self._clouds[name]

    def register_image(self) -> str:
        admin = self.cloud("cumulet-admin")
        file = self.layout.state / "guest" / f"{IMAGE}.qcow2"
        sha512 = hashlib.sha512(file.read_bytes()).hexdigest()
        known = list(admin.image.images(name=IMAGE))
        current = [image for image in known if image.hash_value == sha512 and image.status == "active"]
        for image in known:
            if image not in current:
                admin.image.delete_image(image)
        if not current:
            admin.create_image(
                IMAGE,
                filename=str(file),
                disk_format="qcow2",
                container_format="bare",
                visibility="public",
                wait=True,
                timeout=60,
                min_ram=96,
            )
        names = {flavor.name for flavor in admin.compute.flavors()}
        for name, vcpus, memory_mib, disk_gib in FLAVORS:
            if name not in names:
                admin.compute.create_flavor(name=name, vcpus=vcpus, ram=memory_mib, disk=disk_gib)
        return f"{IMAGE} {'kept' if current else 'registered'}, {', '.join(f[0] for f in FLAVORS)}"

    def register_network(self) -> str:
        admin, demo = self.cloud("cumulet-admin"), self.cloud("cumulet")
        network = admin.network.find_network(NETWORK)
        if network is None:
            network = admin.network.create_network(name=NETWORK, shared=True, **{"cumulet:nat": True})
        if not network.subnet_ids:
            admin.network.create_subnet(
                network_id=network.id, name=NETWORK, ip_version=4, cidr="10.88.0.0/24", gateway_ip="10.88.0.1"
            )
        group = next(iter(demo.network.security_groups(name="default", project_id=demo.current_project_id)))
        there = {
            (rule["protocol"], rule["port_range_min"])
            for rule in group.security_group_rules
            if rule["direction"] == "ingress"
        }
        for protocol, port in (("tcp", 22), ("icmp", None)):
            if (protocol, port) not in there:
                demo.network.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ethertype="IPv4",
                    protocol=protocol,
                    port_range_min=port,
                    port_range_max=port,
                )
        public_key = (self.layout.client / "id_demo.pub").read_text().strip()
        keypair = demo.compute.find_keypair(KEYPAIR)
        if keypair is not None and keypair.public_key.split()[1] != public_key.split()[1]:
            demo.compute.delete_keypair(keypair)
            keypair = None
        if keypair is None:
            demo.compute.create_keypair(name=KEYPAIR, public_key=public_key)
        return f"{NETWORK} 10.88.0.0/24; default group lets in SSH and ping; keypair {KEYPAIR}"

    def first_server(self) -> str:
        """Made once, never again: who deleted it does not want it back, but then there must be another to log in to."""
        demo = self.cloud("cumulet")
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
        admin = self.cloud("cumulet-admin")
        deadline = time.monotonic() + START_DEADLINE_S
        while not any(service.state == "up" for service in admin.compute.services(binary="nova-compute")):
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"the agent of this node has not reported; see {self.layout.log}/compute-agent.log and scheduler.log"
                )
            time.sleep(0.2)

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
        venv_note = "" if shutil.which("openstack") else f"   (it is in {self.binaries}, which openrc puts on PATH)"
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
