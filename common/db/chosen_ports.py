"""Which ports a node is told of: one subquery for each way of choosing them, and the value that it is asked with.

To make a statement takes SQLAlchemy longer than the database takes to answer it, so what reads these ports makes its
statements once for each of the three subqueries (`functools.cache`), and gives the value when it asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from common.db.models import Port

_VALUE = sa.bindparam("chosen", type_=sa.String)
_OF_NODE = sa.select(Port.id).where(Port.binding_node_id == _VALUE, Port.device_owner.not_like("network:%"))
_OF_INSTANCE = sa.select(Port.id).where(Port.device_id == _VALUE, Port.device_owner.like("compute:%"))
_ONE = sa.select(Port.id).where(Port.id == _VALUE)


@dataclass(frozen=True)
class Chosen:
    """ids: the subquery, always one of the same three objects. parameters: what it is to be executed with."""

    ids: sa.Select[str]
    value: str

    @property
    def parameters(self) -> dict[str, str]:
        return {"chosen": self.value}


def of_node(node_id: str) -> Chosen:
    """Those bound to it, less the cloud's own."""
    return Chosen(_OF_NODE, node_id)


def of_instance(instance_id: str) -> Chosen:
    return Chosen(_OF_INSTANCE, instance_id)


def one(port_id: str) -> Chosen:
    return Chosen(_ONE, port_id)
