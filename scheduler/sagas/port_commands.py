"""What the sagas that attach and detach ports say to the server's node, forward and back."""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.db import instances, network_state, node_life, server_ports
from common.db.models import Instance
from common.rpc.compute_v1 import PlugPort, UnplugPort
from common.saga.model import Send, StepContext
from scheduler.sagas.shared import device_fields, node_of


def plug_port(session: Session, context: StepContext) -> Send | None:
    """None: the port is no longer the server's, or the node is cut off: it starts guests on fresh specs only."""
    instance, port_id = instances.get(session, context.instance_id, deleted=True), context.params["device_id"]
    if _out_of_reach(session, instance) or server_ports.find(session, instance.id, port_id) is None:
        return None
    version = network_state.version_of(session, instance.node_id)
    (port,), networks, groups = network_state.for_port(session, port_id)
    command = PlugPort(
        port=port, networks=networks, groups=groups, network_version=version,
        **device_fields(session, context, instance, "plug_port"),
    )  # fmt: skip
    return Send(node_of(instance), command)


def unplug_port(session: Session, context: StepContext) -> Send | None:
    """None: the node is cut off."""
    instance = instances.get(session, context.instance_id, deleted=True)
    if _out_of_reach(session, instance):
        return None
    fields = device_fields(session, context, instance, "unplug_port")
    return Send(node_of(instance), UnplugPort(mac_address=context.params["mac_address"], **fields))


def _out_of_reach(session: Session, instance: Instance) -> bool:
    return instance.deleted or instance.node_id is None or node_life.is_cut_off(session, instance.node_id)
