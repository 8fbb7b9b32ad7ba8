"""What `up` and `lab` share of running Cumulet's services: secrets, configuration files, the supervisor, health."""

from __future__ import annotations

import configparser
import http.client
import json
import os
import pwd
import secrets
import sys
import time
import urllib.request
import uuid
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import host
from layout import SERVICE_USER, Layout
from progress import StepFailed

BINARIES = Path(sys.executable).parent
Sections = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Program:
    """One process that a supervisor keeps running. `settings`: more of supervisord's keys."""

    name: str
    command: Sequence[object]
    user: str = "root"
    environment: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)


def known_secrets(path: Path, *names: str) -> dict[str, str]:
    """The cloud's UUID and these passwords; what is not there yet is made, once."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(18) for name in names if name not in known}
    if "cloud_uuid" not in known:
        missing["cloud_uuid"] = str(uuid.uuid4())
    if missing:
        known |= missing
        host.write_private(path, json.dumps(known))
    return known


def write_config(path: Path, sections: Sections, *, mode: int = 0o640, group: int | None = None) -> bool:
    """Write an INI file that holds these keys; False when it was there already."""
    lines = ["# Written by devstack; etc/cumulet.conf.sample explains every key."]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]
    text = "\n".join(lines) + "\n"
    if path.exists() and path.read_text() == text:
        return False
    host.write_private(path, text, mode=mode, group=group)
    return True


def has_joined(config: Path) -> bool:
    """Whether a node's configuration holds what joining writes into it."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(config)
    return parser.has_option("bus", "url")


def make_folders(folders: Sequence[tuple[Path, int, tuple[int, int] | None]]) -> None:
    """(folder, mode, owner and group) each; an owner of None leaves both as they are."""
    for folder, mode, owner in folders:
        folder.mkdir(parents=True, exist_ok=True)
        if owner is not None:
            os.chown(folder, *owner)
            folder.chmod(mode)


def as_user(words: Sequence[object], *, what: str, env: Mapping[str, str], timeout_s: float = 120) -> str:
    """Run a command as the services' user and give back its output; raises host.HostError."""
    user = pwd.getpwnam(SERVICE_USER)
    identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    return host.run(
        ["setpriv", *identity, *map(str, words)], timeout_s=timeout_s, what=what, env={**os.environ, **env}, cwd="/"
    )


def migrate(layout: Layout, known: Mapping[str, str]) -> None:
    """Schema, token keys and identity; as the services' user, who owns them."""
    env = {
        "CUMULET_CONFIG": str(layout.config),
        "CUMULET_ADMIN_PASSWORD": known["admin"],
        "CUMULET_DEMO_PASSWORD": known["demo"],
    }
    as_user([BINARIES / "cumulet", "db", "migrate", "--bootstrap"], what="migrating the database", env=env)


def build_image(layout: Layout, name: str) -> str:
    """The guest image, built unless it is there."""
    out = layout.shared / "guest"
    image = out / f"{name}.qcow2"
    before = image.stat().st_mtime if image.exists() else 0.0
    command = [layout.checkout / "devstack/build-image", out, "--deb-cache", layout.shared / "debs"]
    host.run([str(word) for word in command], timeout_s=300, what="building the guest image")
    made = image.stat()
    return f"{made.st_size / 2**20:.1f} MiB, {'kept' if made.st_mtime == before else 'built'}"


def fetch_novnc(layout: Layout) -> str:
    """noVNC's scripts, for consoles in browsers: the package's files alone, without the services that it depends on.

    Without a package server there are none, and all but screens in browsers works.
    """
    if (layout.novnc / "core/rfb.js").exists():
        return f"{layout.novnc}, kept"
    folder = layout.shared / "novnc"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        host.run(["apt-get", "download", "novnc"], timeout_s=120, what="downloading noVNC", cwd=str(folder))
    except host.HostError:
        return f"not to be had: browsers show no screens until it is in {layout.novnc}"
    for package in sorted(folder.glob("novnc_*.deb")):
        host.run(["dpkg", "-x", str(package), str(folder)], timeout_s=60, what="unpacking noVNC")
        package.unlink()
    folder.chmod(0o755)
    return str(layout.novnc)


# -- the supervisor ---------------------------------------------------------------------------------------------------


def write_supervisor_config(file: Path, *, run: Path, log: Path, programs: Sequence[Program]) -> None:
    """A supervisord of its own: pid file and socket in `run`, what programs print in `log`.

    Only what a program says itself: QEMU, dnsmasq and virtlogd, which the agent starts, outlive its end.
    """
    text = (
        f"[supervisord]\nlogfile={log}/supervisord.log\npidfile={run}/supervisord.pid\nuser=root\n"
        "logfile_maxbytes=5MB\n"
        f"[unix_http_server]\nfile={run}/supervisor.sock\nchmod=0700\n"
        f"[supervisorctl]\nserverurl=unix://{run}/supervisor.sock\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    )
    text += "".join(_program(each, log) for each in programs)
    host.write_private(file, text)


def _program(program: Program, log: Path) -> str:
    environment = {"HOME": "/", "PYTHONUNBUFFERED": "1", **program.environment}
    settings = {
        "command": " ".join(map(str, program.command)),
        "user": program.user,
        "environment": ",".join(f'{name}="{value}"' for name, value in environment.items()),
        "directory": "/",
        "umask": "007",
        "autorestart": "true",
        "startsecs": 1,
        "startretries": 20,
        "stopwaitsecs": 20,
        "redirect_stderr": "true",
        "stdout_logfile": f"{log}/{program.name}.out",
        "stdout_logfile_maxbytes": "5MB",
        "stdout_logfile_backups": 1,
        **program.settings,
    }
    return "\n".join([f"\n[program:{program.name}]", *(f"{key}={value}" for key, value in settings.items()), ""])


def start_supervisor(layout: Layout) -> None:
    """Does nothing when it runs."""
    if not host.alive(layout.supervisor_pid):
        host.run(
            [str(BINARIES / "supervisord"), "-c", str(layout.supervisor_config)],
            timeout_s=20, what="starting the supervisor", cwd="/",
        )  # fmt: skip


def start_program(socket: Path, name: str) -> None:
    """Have a supervisor start a program, without waiting until it has. Does nothing when it runs."""
    supervisor = _supervisor(socket)
    try:
        supervisor.startProcess(name, False)
    except xmlrpc.client.Fault as err:
        if "ALREADY_STARTED" not in err.faultString:
            raise StepFailed(f"the supervisor at {socket} does not start {name}: {err.faultString}") from err


def stop_program(socket: Path, name: str) -> None:
    """Have a supervisor stop a program and wait for its end. Does nothing when it does not run."""
    try:
        _supervisor(socket).stopProcess(name)
    except xmlrpc.client.Fault as err:
        if "NOT_RUNNING" not in err.faultString:
            raise StepFailed(f"the supervisor at {socket} does not stop {name}: {err.faultString}") from err


def program_states(socket: Path) -> dict[str, str]:
    """RUNNING, STOPPED, FATAL and so on by program; {} when the supervisor does not answer."""
    try:
        return {each["name"]: each["statename"] for each in _supervisor(socket).getAllProcessInfo()}
    except (OSError, http.client.HTTPException):
        return {}


def _supervisor(socket: Path) -> Any:
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, serverurl=f"unix://{socket}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def wait_healthy(name: str, url: str, deadline: float, logs: Path) -> None:
    """Until /healthz says that all is well; `deadline` by time.monotonic(). Raises StepFailed with what it says."""
    problem = ""
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=3) as answer:
                if answer.status == 200:
                    return
        except OSError as err:
            problem = getattr(err, "read", lambda: b"")().decode(errors="replace") or str(err)
        time.sleep(0.1)
    raise StepFailed(f"{name} does not answer at {url}/healthz: {problem[:500]}\nSee {logs}/{name}.log and {name}.out")
