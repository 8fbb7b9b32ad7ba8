"""Entry point of `cumulet-api`: gunicorn with our application; database and bus are opened in each worker, after fork."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable
from typing import Any

import flask
from gunicorn.app.base import BaseApplication

from api import cors
from api.app import create_app, prepare
from api.image.operations import imports, stores, upkeep, uploads
from api.image.operations.importer import Importer
from api.request import Services
from common import config as configuration
from common import log, memory
from common.clock import SystemClock
from common.config import ApiConfig, Config
from common.db.session import Database
from common.errors import CloudError, ConfigError
from common.rpc.bus import Bus
from common.rpc.transport import Transport
from common.tokens import TokenCodec

logger = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1


def build_services(config: Config) -> Services:
    """Everything one worker holds."""
    clock = SystemClock()
    return Services(
        config=config,
        db=Database(config.database, clock),
        bus=Bus(Transport(config.bus), clock),
        clock=clock,
        tokens=TokenCodec(config.identity.fernet_dir),
    )


def binds(config: ApiConfig) -> list[str]:
    """What gunicorn listens on: each address of `listen` with the port. Raises ConfigError when there is none."""
    addresses = [each.strip() for each in config.listen.split(",") if each.strip()]
    if not addresses:
        raise ConfigError("[api] listen names no address; set it to 127.0.0.1, or to several with commas between them")
    return [f"[{each}]:{config.port}" if ":" in each else f"{each}:{config.port}" for each in addresses]


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn's way of being started from a program."""

    def __init__(self, config: Config) -> None:
        self._cumulet = config
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": binds(self._cumulet.api),
            "workers": self._cumulet.api.workers,
            "threads": self._cumulet.api.threads,
            "worker_class": "gthread",
            "timeout": 120,
            "graceful_timeout": 15,
            "keepalive": 15,
            "limit_request_line": 8190,
            "limit_request_fields": 100,
            "post_fork": _end_with_parent,
            "worker_tmp_dir": "/dev/shm",  # noqa: S108 - gunicorn's heartbeat file, which must not be on a disk
            "proc_name": "cumulet-api",
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "warning",
        }
        if (
            "control_socket_disable" in self.cfg.settings
        ):  # newer releases open one in the user's home, which ours lacks
            settings["control_socket_disable"] = True
        if self._cumulet.api.tls_cert_file:
            settings["certfile"] = self._cumulet.api.tls_cert_file
            settings["keyfile"] = self._cumulet.api.tls_key_file
            settings["ssl_context"] = _modern_tls
        for key, value in settings.items():
            self.cfg.set(key, value)

    def load(self) -> flask.Flask:
        log.setup(self._cumulet.cloud, "api")
        services = build_services(self._cumulet)
        uploads.recover(services)  # of uploads that an earlier life of this process did not end
        Importer(services).start()
        upkeep.start(services)
        return create_app(services)


def _end_with_parent(server: Any, _worker: object) -> None:
    """Let the kernel kill a worker whose parent is killed: it would hold the port, which its successor needs, until the
    slowest client has gone. What it was doing is a transaction that ends here, or an upload that `recover` cleans up.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise ConfigError(f"the kernel refuses PR_SET_PDEATHSIG: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != server.pid:  # killed between the fork and now
        os.kill(os.getpid(), signal.SIGKILL)


def _modern_tls(_settings: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def main() -> int:
    try:
        config = configuration.load()
        TokenCodec(config.identity.fernet_dir)
        binds(config.api)
        cors.allowed_origins(config.api.cors_allowed_origins)
        stores.configured(config.image)
        imports.policy_of(config.image)
        Transport(config.bus)  # refuses here what would otherwise end every worker
        Database(config.database).close()  # connects to nothing, but loads the driver, which the workers then share
    except CloudError as err:
        sys.stderr.write(f"cumulet-api: {err.message}\n")
        return 2
    log.setup(config.cloud, "api")
    memory.give_back_what_is_freed()
    prepare()  # here, so that the workers share it
    memory.share_with_forks()
    log.event(logger, "api.starting", listen=config.api.listen, port=config.api.port, workers=config.api.workers)
    Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
