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
from common.errors import CloudError
from common.rpc.bus import Bus
from common.rpc.transport import Transport
from compute_agent import factory
from compute_agent.agent import Agent

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """0 after SIGTERM or SIGINT; 1 when it could not start or go on (the supervisor starts it again)."""
    parser = argparse.ArgumentParser(prog="cumulet-compute-agent", description="Cumulet's agent on a compute node.")
    parser.add_argument("--config", help="configuration file; else $CUMULET_CONFIG, else /etc/cumulet/cumulet.conf")
    parser.add_argument(
        "--teardown-network",
        action="store_true",
        help="remove every bridge, namespace and table that the agent made, then end",
    )
    options = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        config = configuration.load(options.config)
        log.setup(config.cloud, "compute-agent")
        clock = SystemClock()
        if options.teardown_network:
            factory.teardown_network(config, clock)
            return 0
        bus = Bus(Transport(config.bus), clock)
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


def _end_on_signals(agent: Agent) -> None:
    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.event(logger, "agent.signal", signal=signal.Signals(number).name)
        agent.ask_to_end()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


if __name__ == "__main__":
    sys.exit(main())
