"""What up, down and lab do to the machine itself: users, private files, libvirt's daemons, pid files."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

DAEMONS = {
    # a serial log of 512 KiB with one older one: [agent] console_log_kib = 1024 altogether, however much a guest prints
    "virtlogd": "max_size = 524288\nmax_backups = 1\n",
    # nobody but root may talk to it
    "libvirtd": 'unix_sock_rw_perms = "0600"\nunix_sock_ro_perms = "0600"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n',
}


class HostError(Exception):
    """A command on this machine failed; the text says which and why."""


def run(
    command: Sequence[str],
    *,
    timeout_s: float,
    what: str,
    env: dict[str, str] | None = None,
    cwd: str | None = None,
    stdin: str = "",
) -> str:
    """Run a command and give back its output; raises HostError with the end of what it said."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, env=env, cwd=cwd, input=stdin
        )
    except subprocess.TimeoutExpired as err:
        raise HostError(f"{what} took longer than {timeout_s:.0f} s") from err
    if done.returncode != 0:
        raise HostError(f"{what} failed ({command[0]}): {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        run(
            [
                "useradd",
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                name,
            ],
            timeout_s=20,
            what=f"making the user {name}",
        )


def write_private(path: Path, text: str, mode: int = 0o600, group: int | None = None) -> None:
    """Write a whole file at once that nobody else could read at any moment."""
    temporary = path.with_name(path.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    if group is not None:
        os.chown(temporary, 0, group)
    temporary.chmod(mode)
    temporary.rename(path)


def ensure_ssh_key(path: Path) -> None:
    if not path.exists():
        run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cumulet demo", "-f", str(path)],
            timeout_s=20,
            what="making the SSH key",
        )


def dns_upstreams() -> str:
    """Resolvers of this machine that a guest's question can be passed on to; loopback ones can't be reached by it."""
    found = []
    for path in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        try:
            words = [line.split() for line in Path(path).read_text().splitlines()]
        except OSError:
            continue
        found = [w[1] for w in words if len(w) == 2 and w[0] == "nameserver" and not w[1].startswith(("127.", "::1"))]
        if found:
            break
    return ",".join(found[:3])


def open_kvm() -> None:
    """Let QEMU, which runs as another user, use KVM: else its capabilities are probed anew at every call, which makes
    44 s of 0.7."""
    if Path("/dev/kvm").exists():
        run(["chgrp", "kvm", "/dev/kvm"], timeout_s=5, what="giving /dev/kvm to its group")
        Path("/dev/kvm").chmod(0o660)


def start_libvirt(run_dir: Path) -> str:
    """Make qemu:///system answer. Daemons that were not running are started and remembered, so that `down` ends them."""
    open_kvm()
    if libvirt_answers():
        return "already running"
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "virtlogd.socket", "libvirtd.service"], timeout_s=60, what="starting libvirtd")
    else:
        Path("/var/log/libvirt/qemu").mkdir(parents=True, exist_ok=True)  # else the first guest fails
        for daemon, settings in DAEMONS.items():
            pid_file, config = run_dir / f"{daemon}.pid", run_dir / f"{daemon}.conf"
            if not alive(pid_file):
                write_private(config, settings)
                run(
                    [daemon, "--daemon", "--config", str(config), "--pid-file", str(pid_file)],
                    timeout_s=30,
                    what=f"starting {daemon}",
                )
    deadline = time.monotonic() + 60
    while not libvirt_answers():
        if time.monotonic() > deadline:
            raise HostError(
                "libvirtd does not answer at qemu:///system; see journalctl -u libvirtd or /var/log/libvirt"
            )
        time.sleep(0.1)
    return "started"


def libvirt_answers() -> bool:
    try:
        asked = subprocess.run(
            ["virsh", "-q", "-c", "qemu:///system", "uri"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def alive(pid_file: Path) -> bool:
    """Whether the process that wrote this pid file still runs: after a reboot its number may be another's.

    All daemons started here have a path of the pid file's folder on their command line.
    """
    try:
        words = Path(f"/proc/{int(pid_file.read_text())}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False
    return os.fsencode(pid_file.parent) in words


def end(pid_file: Path, timeout_s: float = 20.0) -> bool:
    """Ask the process of a pid file to end and wait until it has; False when it was not running."""
    if not alive(pid_file):
        pid_file.unlink(missing_ok=True)
        return False
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while _running(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return True


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie has ended; whoever started it has yet to look
