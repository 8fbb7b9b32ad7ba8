"""The machine itself: virtualisation, memory, clock."""

from __future__ import annotations

import ctypes
import os
from datetime import UTC, datetime
from pathlib import Path

from cli.checks.result import Result, fail, ok, warn
from common import tool
from common.clock import SystemClock
from common.config import Config
from common.errors import ToolFailed

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 256  # more than struct timex needs
_LOOKUP_S = 3.0
_BUILT_AFTER = datetime(2025, 1, 1, tzinfo=UTC)


def kvm(config: Config) -> Result:
    if config.agent.driver in ("fake", "test", "none"):
        return ok("kvm", f"not used by driver {config.agent.driver}")
    device, capable = Path("/dev/kvm"), bool(_cpu_flags() & {"vmx", "svm"})
    judge = fail if config.agent.driver == "kvm" else warn
    slow = "guests run under TCG, which is many times slower"
    if not capable:  # the device alone proves nothing: where the CPU can't, guests hang at boot
        return judge(
            "kvm", f"the CPU shows no virtualisation: {slow}", "enable VT-x or AMD-V, or nested virtualisation"
        )
    if not device.exists():
        return judge("kvm", f"the CPU can, but there is no {device}: {slow}", "modprobe kvm_intel or kvm_amd")
    if not os.access(device, os.R_OK | os.W_OK):
        return judge("kvm", f"this user can't open {device}: {slow}", "run the check as root")
    return ok("kvm", f"{device} and the CPU's virtualisation are there")


def memory(_config: Config) -> Result:
    amounts = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        amounts[name] = int(rest.split()[0]) // 1024
    text = f"{amounts['MemAvailable']} MiB of {amounts['MemTotal']} MiB available"
    if amounts["MemAvailable"] < 512:
        return warn("memory", text, "a small server needs some 350 MiB with its QEMU: stop something, or add memory")
    return ok("memory", text)


def clock(_config: Config) -> Result:
    """Tokens, leases and heartbeats compare times of several machines."""
    now = SystemClock().now()
    if now < _BUILT_AFTER:
        return fail("clock", f"the clock says {now:%Y-%m-%d}", "set the clock, then run chrony or systemd-timesyncd")
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state < 0 or state == _TIME_ERROR:
        return warn("clock", "the clock is not synchronised", "run chrony or systemd-timesyncd on every machine")
    return ok("clock", "synchronised")


def host_name(config: Config) -> Result:
    """libvirt looks its machine's name up at every start of a guest: without an answer each takes ten seconds longer."""
    name = config.agent.node or os.uname().nodename
    try:
        tool.run(["getent", "ahosts", os.uname().nodename], timeout_s=_LOOKUP_S)
    except ToolFailed:
        return warn(
            "host name",
            f"the name {name} can't be looked up within {_LOOKUP_S:g} s: each start of a guest waits for it",
            f"add a line `127.0.1.1 {os.uname().nodename}` to /etc/hosts",
        )
    return ok("host name", f"{name} resolves")


def _cpu_flags() -> set[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.partition(":")[2].split())
    return set()
