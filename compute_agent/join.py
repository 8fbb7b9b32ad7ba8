"""`cumulet-compute-agent --join`: trade a token for this node's credentials, and write them where the agent finds them.

What the configuration file already says (driver, folders, libvirt) is kept; only what the cloud decides is set. The
agent itself is not started: whatever supervises it does that.
"""

from __future__ import annotations

import configparser
import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from common import config as configuration
from common import log
from common.config import Config
from common.deadlines import JOIN_REQUEST_S
from common.errors import ConfigError, Unauthenticated
from common.secret import Secret
from compute_agent import durable

logger = logging.getLogger(__name__)
_MAX_REPLY_BYTES = 1024 * 1024


class Network(msgspec.Struct, frozen=True, kw_only=True):
    mtu: int
    dns_domain: str
    dns_upstreams: str


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The API's answer; fields of later versions are ignored."""

    name: str
    cloud_uuid: str
    region: str
    image_secret: str
    bus_url: str
    bus_ca: str = ""
    api_url: str
    is_compute: bool = True
    is_gateway: bool = False
    network: Network


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    node: Joined


@dataclass(frozen=True)
class Request:
    """api_url: the listener, such as http://10.99.0.254:8780. address: this node's for tunnels, "" to keep what is set.

    ca_file: certificates that may sign the API's, "" for the system's. config_path: what is written.
    """

    api_url: str
    token: Secret
    address: str
    ca_file: str
    config_path: Path


def config_path(given: str | None) -> Path:
    return Path(given or os.environ.get("CUMULET_CONFIG") or configuration.DEFAULT_PATH)


def join(request: Request) -> str:
    """The node's name. Raises ConfigError for what can't be read or written, Unauthenticated for a refused token."""
    path = request.config_path
    present = configuration.load(str(path)) if path.exists() else Config()
    _make_ready(path, present)
    joined = _ask(request)
    secret_file = Path(present.agent.image_secret_file)
    durable.write(secret_file, f"{joined.image_secret}\n".encode())
    ca_file = path.with_name("bus-ca.pem")
    if joined.bus_ca:
        durable.write(ca_file, joined.bus_ca.encode())
    settings = _settings(joined, request.address, str(ca_file) if joined.bus_ca else "")
    durable.write(path, _merged(path, settings).encode())
    configuration.load(str(path))
    log.event(logger, "node.joined", node=joined.name, config=str(path))
    return joined.name


def _make_ready(path: Path, present: Config) -> None:
    """What would fail later fails before the token is used up."""
    secret_file = Path(present.agent.image_secret_file)
    for folder in (path.parent, secret_file.parent):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(f"can't make {folder}: {err.strerror}; join as root") from err
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(f"can't write to {folder}; join as root")


def _ask(request: Request) -> Joined:
    import requests  # here, as in storage/image_cache.py: a node joins once

    parts = urlsplit(request.api_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{request.api_url[:200]!r} is no URL of an API: give one such as http://10.99.0.254:8780")
    if parts.scheme == "http":
        log.event(logger, "node.join_unencrypted", logging.WARNING, host=parts.hostname)
    url = f"{request.api_url.rstrip('/')}/cumulet/v1/nodes/join"
    body = {"join": {"token": request.token.reveal(), "address": request.address}}
    try:
        reply = requests.post(
            url, json=body, timeout=JOIN_REQUEST_S, verify=request.ca_file or True, allow_redirects=False
        )
    except (requests.RequestException, OSError) as err:
        raise ConfigError(f"{url} does not answer: {str(err)[:300]}") from err
    if reply.status_code != 200:
        raise Unauthenticated(f"{url} refused with HTTP {reply.status_code}: {_message(reply.content)}")
    try:
        return msgspec.json.decode(reply.content[:_MAX_REPLY_BYTES], type=_Reply).node
    except msgspec.DecodeError as err:
        raise ConfigError(f"{url} did not answer as a Cumulet API does: {err}") from err


def _message(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content)["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return content[:200].decode(errors="replace")


def _settings(joined: Joined, address: str, ca_file: str) -> dict[str, dict[str, str]]:
    agent = {"node": joined.name}
    if address:
        agent["address"] = address
    if not joined.is_compute:
        agent["driver"] = "none"
    return {
        "cloud": {"uuid": joined.cloud_uuid, "region": joined.region},
        "bus": {"url": joined.bus_url, **({"ca_file": ca_file} if ca_file else {})},
        "api": {"public_url": joined.api_url},
        "agent": agent,
        "network": {key: str(value) for key, value in msgspec.to_builtins(joined.network).items()},
    }


def _merged(path: Path, settings: dict[str, dict[str, str]]) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    if path.exists():
        parser.read_string(path.read_text(), source=str(path))
    for section, values in settings.items():
        if not parser.has_section(section):
            parser.add_section(section)
        for key, value in values.items():
            parser.set(section, key, value)
    out = io.StringIO()
    out.write("# Written by cumulet-compute-agent --join; etc/cumulet.conf.sample explains every key.\n\n")
    parser.write(out)
    return out.getvalue()
