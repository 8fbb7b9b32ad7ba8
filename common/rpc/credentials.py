"""A node's password for the broker: made here, kept as RabbitMQ's salted hash, told once in the URL that the node gets."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from urllib.parse import quote, urlsplit, urlunsplit

from common.config import BusConfig
from common.errors import ConfigError
from common.rpc.topology import node_user
from common.secret import Secret

HASHING_ALGORITHM = "rabbit_password_hashing_sha256"
_SALT_BYTES = 4  # RabbitMQ's format; enough for passwords of 256 random bits


def make_password() -> Secret:
    return Secret(secrets.token_urlsafe(32))


def password_hash(password: Secret) -> str:
    """In RabbitMQ's format: base64 of salt and SHA-256 of salt and password."""
    salt = os.urandom(_SALT_BYTES)
    return base64.b64encode(salt + hashlib.sha256(salt + password.reveal().encode()).digest()).decode()


def node_url(config: BusConfig, node: str, password: Secret) -> Secret:
    """The URL by which a node reaches the broker as its own user. Raises ConfigError where that can't be."""
    base = config.node_url or config.url.reveal()
    parts = urlsplit(base)
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ConfigError("nodes can join only over RabbitMQ: set [bus] url, or node_url, to amqp(s)://host:port/vhost")
    if config.node_url and (parts.username or parts.password):
        raise ConfigError("[bus] node_url may hold neither user nor password: every node gets its own")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    account = f"{quote(node_user(node), safe='')}:{quote(password.reveal(), safe='')}"
    return Secret(urlunsplit((parts.scheme, f"{account}@{host}{port}", parts.path, "", "")))
