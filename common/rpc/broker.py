"""What every enrolled node needs on the broker: queues, a user of its own, that user's rights. Idempotent throughout.

Users are known to the database by their password's hash, so that a broker whose data was wiped gets all of them back
and no node needs new credentials.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from common import log
from common.config import BusConfig
from common.rpc.management import Management, Permission, UserInfo
from common.rpc.topology import CONTROL_QUEUES, NODE_USER_PREFIX, node_permissions, node_queues, node_user
from common.rpc.transport import Transport

logger = logging.getLogger(__name__)
Accounts = Mapping[str, str]
"""Password hash by node name; "" for a node whose user is made by hand, or that needs none."""


class Broker:
    """management is None where [bus] management_url is empty: only exchanges and queues are looked after then."""

    def __init__(self, config: BusConfig, transport: Transport) -> None:
        """Raises ConfigError for a management_url that is none."""
        self._transport = transport
        self.management = Management(config) if config.management_url else None

    def ensure_node(self, node: str, password_hash: str) -> None:
        """Make one node's queues and user at once. Raises BusUnavailable; `reconcile` will mend it."""
        self._transport.declare(node_queues(node))
        if self.management is None or not password_hash:
            return
        self._ensure_user(self.management, node, password_hash, self.management.users(), self.management.permissions())

    def reconcile(self, read_accounts: Callable[[], Accounts]) -> int:
        """Compare broker and database, mend the broker; how many users were made, changed or removed.

        Accounts are read after the broker, so that one that is renewed meanwhile is not set back. Raises BusUnavailable.
        """
        if self.management is None:
            accounts = read_accounts()
            self._transport.declare_again(CONTROL_QUEUES)
            self._transport.declare([name for node in accounts for name in node_queues(node)])
            return 0
        present = {info.name for info in self.management.queues()}
        users, permissions = self.management.users(), self.management.permissions()
        accounts = read_accounts()
        wanted = [*CONTROL_QUEUES, *(name for node in accounts for name in node_queues(node))]
        self._transport.declare_again([*CONTROL_QUEUES, *(name for name in wanted if name not in present)])
        changed = sum(
            self._ensure_user(self.management, node, password_hash, users, permissions)
            for node, password_hash in accounts.items()
            if password_hash
        )
        return changed + self._remove_strangers(self.management, accounts, users, permissions)

    def _ensure_user(
        self,
        management: Management,
        node: str,
        password_hash: str,
        users: Mapping[str, UserInfo],
        permissions: list[Permission],
    ) -> bool:
        name, rights = node_user(node), node_permissions(node)
        known = users.get(name)
        has = [each for each in permissions if each.user == name]
        wanted = [Permission(name, management.vhost, **rights)]
        if known is not None and known.password_hash == password_hash and not known.tags and has == wanted:
            return False
        if known is not None:  # renewed, or more than a node may be: its connections must end
            management.delete_user(name)
        management.put_user(name, password_hash)
        management.put_permissions(name, rights)
        log.event(logger, "broker.user_ensured", node=node, user=name, was_known=known is not None)
        return True

    def _remove_strangers(
        self, management: Management, accounts: Accounts, users: Mapping[str, UserInfo], permissions: list[Permission]
    ) -> int:
        """Users of nodes that are no more (OPS-04); another cloud's on the same broker have rights elsewhere."""
        removed = 0
        for name in users:
            vhosts = {each.vhost for each in permissions if each.user == name}
            if not name.startswith(NODE_USER_PREFIX) or vhosts != {management.vhost}:
                continue
            if name.removeprefix(NODE_USER_PREFIX) not in accounts:
                management.delete_user(name)
                log.event(logger, "broker.user_removed", logging.WARNING, user=name)
                removed += 1
        return removed
