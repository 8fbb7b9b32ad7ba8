"""Python and its packages, and the tools that the services start."""

from __future__ import annotations

import importlib.util
import sys

from cli.checks.result import Result, fail, ok, warn
from common import tool
from common.config import Config
from common.deadlines import TOOL_S
from common.errors import ToolFailed

PACKAGES = (
    "alembic",
    "argon2",
    "cliff",
    "cryptography",
    "flask",
    "gunicorn",
    "jsonschema",
    "keystoneauth1",
    "kombu",
    "libvirt",
    "msgspec",
    "openstack",
    "prometheus_client",
    "psycopg",
    "pyroute2",
    "sqlalchemy",
)


def python(_config: Config) -> Result:
    version = ".".join(str(part) for part in sys.version_info[:3])
    missing = [name for name in PACKAGES if name not in sys.modules and importlib.util.find_spec(name) is None]
    if missing:
        return fail(
            "python", f"Python {version}, without {', '.join(missing)}", "run `pip install .` in the environment"
        )
    return ok("python", f"Python {version}, all {len(PACKAGES)} packages")


def qemu(config: Config) -> Result:
    if config.agent.driver in ("fake", "none"):
        return ok("qemu", f"not used by driver {config.agent.driver}")
    return _tool("qemu", ["qemu-system-x86_64", "--version"], "apt install qemu-system-x86")


def qemu_img(config: Config) -> Result:
    if config.agent.driver in ("fake", "none"):
        return ok("qemu-img", f"not used by driver {config.agent.driver}")
    return _tool("qemu-img", ["qemu-img", "--version"], "apt install qemu-utils")


def dnsmasq(config: Config) -> Result:
    if config.network.networking == "none":
        return ok("dnsmasq", "not used without networking")
    return _tool("dnsmasq", ["dnsmasq", "--version"], "apt install dnsmasq-base")


def genisoimage(_config: Config) -> Result:
    found = _tool("genisoimage", ["genisoimage", "-version"], "apt install genisoimage")
    if found.remedy:
        return warn(found.name, f"{found.finding}: servers can't have a config drive", found.remedy)
    return found


def libvirt(config: Config) -> Result:
    """The socket answers; asked through virsh, so that a libvirtd that hangs can't hang the check."""
    if config.agent.driver in ("fake", "none"):
        return ok("libvirt", f"not used by driver {config.agent.driver}")
    uri = config.agent.libvirt_uri
    remedy = f"start libvirtd, then try `virsh -c {uri} version`"
    try:
        text = tool.run(["virsh", "-c", uri, "version"], timeout_s=TOOL_S).decode(errors="replace")
    except ToolFailed as err:
        return fail("libvirt", f"{uri} does not answer: {_first_line(err.detail or err.message)}", remedy)
    lines = [line for line in text.splitlines() if line.startswith("Running hypervisor")]
    return ok("libvirt", f"{uri}: {lines[0].partition(':')[2].strip() if lines else 'answers'}")


def _tool(name: str, command: list[str], remedy: str) -> Result:
    try:
        text = tool.run(command, timeout_s=TOOL_S).decode(errors="replace")
    except ToolFailed as err:
        return fail(name, err.message, remedy)
    return ok(name, _first_line(text) or "installed")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if lines else ""
