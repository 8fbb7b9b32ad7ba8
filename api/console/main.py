"""Entry point of `cumulet-console`: one process that brings browsers and nodes together (docs/consoles.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
import sys

from api.console.server import ConsoleServer
from common import config as configuration
from common import log
from common.clock import SystemClock
from common.config import ApiConfig, Config
from common.db.session import Database
from common.errors import CloudError
from common.rpc.bus import Bus
from common.rpc.transport import Transport

logger = logging.getLogger(__name__)


def tls(config: ApiConfig) -> ssl.SSLContext | None:
    """As the API's listener; None for plain HTTP."""
    if not config.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.tls_cert_file, config.tls_key_file)
    return context


async def serve(config: Config, server: ConsoleServer) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    hosts = [each.strip() for each in config.api.listen.split(",") if each.strip()]
    async with server.listening(hosts, config.console.port, tls(config.api)):
        log.event(logger, "console.listening", listen=config.api.listen, port=config.console.port)
        await stop.wait()


def main() -> int:
    try:
        config = configuration.load()
        transport = Transport(config.bus)
    except CloudError as err:
        sys.stderr.write(f"cumulet-console: {err.message}\n")
        return 2
    log.setup(config.cloud, "console")
    clock = SystemClock()
    bus = Bus(transport, clock)
    try:
        asyncio.run(serve(config, ConsoleServer(config, Database(config.database, clock), bus, clock)))
    except OSError as err:
        sys.stderr.write(f"cumulet-console: can't listen on port {config.console.port}: {err.strerror}\n")
        return 1
    finally:
        with contextlib.suppress(CloudError):
            bus.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
