"""Lines of tests/functional/cli/test_every_command.py: what there is about servers and nodes beside the servers themselves."""

from __future__ import annotations

#: (user, words, exit code)
COMPUTE: tuple[tuple[str, str, int], ...] = (
    ("admin", "aggregate create --zone az2 --property a=b ag1", 0), ("admin", "aggregate set --name ag2 --property c=d ag1", 0),
    ("admin", "aggregate unset --property a ag2", 0), ("admin", "aggregate show ag2", 0), ("admin", "aggregate list --long", 0),
    ("admin", "aggregate set --no-property --property e=f ag2", 0), ("admin", "aggregate list --availability-zone az2", 0),
    ("admin", "aggregate add host ag2 no-such-node", 1), ("admin", "aggregate create ag3", 0),
    ("admin", "aggregate add host ag3 node1", 0), ("admin", "aggregate list --host node1", 0),
    ("admin", "aggregate remove host ag3 node1", 0), ("admin", "aggregate delete ag2 ag3", 0),
    ("demo", "server group create --policy anti-affinity --rule max_server_per_host=2 sg1", 0),
    ("demo", "server group create --rule max_server_per_host=2 x", 1), ("demo", "server group show sg1", 0),
    ("demo", "server group list --long --limit 5", 0),
    ("demo", "server create --flavor c1.tiny --image guest --network shared --server-group sg1 --hostname other --wait"
             " in-group", 0),
    ("demo", "server delete --wait in-group", 0), ("demo", "server create --ephemeral 1 --flavor c1.tiny --image guest x", 2),
    ("demo", "server create --block-device uuid=x,source_type=odd --flavor c1.tiny x", 2),
    ("demo", "server group delete sg1", 0),
    ("admin", "usage list", 0), ("demo", "usage show --start 2026-01-01 --end 2030-01-01", 0),
    ("demo", "usage show --start x", 1),
    ("demo", "server create --flavor c1.tiny --image guest --network shared --wait screen", 0),
    ("demo", "console url show screen", 0), ("demo", "console url show --serial screen >> url=url", 0),
    ("admin", "console connection show '{url}'", 0), ("demo", "server delete --wait screen", 0),
    ("admin", "hypervisor stats show", 0), ("admin", "quota set --volumes 7 --floating-ips 5 --per-volume-gigabytes 9 demo", 0),
    ("admin", "quota list --volume", 0), ("demo", "quota show --volume", 0), ("admin", "quota delete --volume demo", 0),
    ("admin", "quota delete --network demo", 0),
)  # fmt: skip
