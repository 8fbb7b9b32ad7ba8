"""`cumulet-compute-agent`: configuration, log, agent, signals. A supervisor starts it again when it ends."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from types import FrameType

from common import config as configuration
from common import log
from common.clock import SystemClock
from common.errors import CloudError, ConfigError
from common.rpc.bus import Bus
from common.rpc.transport import Transport
from common.secret import Secret
from compute_agent import factory, join
from compute_agent.agent import Agent

logger = logging.getLogger(__name__)
_STDIN = "-"


def main(arguments: list[str] | None = None) -> int:
    """0 after SIGTERM or SIGINT; 1 when it could not start or go on (the supervisor starts it again)."""
    parser = argparse.ArgumentParser(prog="cumulet-compute-agent", description="Cumulet's agent on a compute node.")
    parser.add_argument("--config", help="configuration file; else $CUMULET_CONFIG, else /etc/cumulet/cumulet.conf")
    parser.add_argument(
        "--teardown-network",
        action="store_true",
        help="remove every bridge, namespace and table that the agent made, then end",
    )
    joining = parser.add_argument_group("Joining", "trade a token for credentials, write them down, then end")
    joining.add_argument("--join", metavar="API_URL", help="the cloud's listener, such as http://10.99.0.254:8780")
    joining.add_argument("--token", help="made by `cumulet node token create`; - reads it from the standard input")
    joining.add_argument("--address", default="", help="address of this node for tunnels")
    joining.add_argument("--api-ca-file", default="", metavar="FILE", help="certificates that may sign an https API's")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        if options.join:
            return _join(options)
        config = configuration.load(options.config)
        log.setup(config.cloud, "compute-agent")
        clock = SystemClock()
        if options.teardown_network:
            factory.teardown_network(config, clock)
            return 0
        bus = Bus(Transport(config.bus, declares=False), clock)  # its RabbitMQ user may not
        agent = factory.build(config, bus=bus, clock=clock)
        _end_on_signals(agent)
        agent.start()
    except (CloudError, OSError) as err:
        detail = err.detail if isinstance(err, CloudError) else ""
        log.event(logger, "agent.not_started", logging.CRITICAL, reason=str(err), detail=detail)
        sys.stderr.write(f"cumulet-compute-agent: {err}\n")
        return 1
    agent.wait()
    agent.stop()
    bus.close()
    return 1 if agent.failed else 0


def _join(options: argparse.Namespace) -> int:
    """Raises what join.join raises."""
    token = (sys.stdin.readline() if options.token == _STDIN else options.token or "").strip()
    if not token:
        raise ConfigError("--join needs --token, made by `cumulet node token create NAME`")
    path = join.config_path(options.config)
    request = join.Request(options.join, Secret(token), options.address, options.api_ca_file, path)
    name = join.join(request)
    sys.stdout.write(f"joined as node {name}; {path} is written, start the agent\n")
    return 0


def _end_on_signals(agent: Agent) -> None:
    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.event(logger, "agent.signal", signal=signal.Signals(number).name)
        agent.ask_to_end()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


if __name__ == "__main__":
    sys.exit(main())
