"""Lines of tests/functional/cli/test_every_command.py: domains, groups, regions and logins for programs."""

from __future__ import annotations

#: (user, words, exit code)
IDENTITY: tuple[tuple[str, str, int], ...] = (
    ("admin", "domain create --description d d1", 0), ("admin", "domain create --or-show d1", 0),
    ("admin", "domain create d1", 1),
    ("admin", "domain set --name d2 --disable d1", 0), ("admin", "domain show d2", 0), ("admin", "domain list --enabled", 0),
    ("admin", "domain delete d2", 0),
    ("admin", "group create --description d g1", 0), ("admin", "group set --name g2 --description e g1", 0),
    ("admin", "group show g2", 0), ("admin", "group add user g2 demo", 0), ("admin", "group contains user g2 demo", 0),
    ("admin", "group contains user g2 admin", 1), ("admin", "group list --user demo --long", 0),
    ("admin", "user list --group g2", 0),
    ("admin", "role add --project demo --group g2 reader", 0), ("admin", "role assignment list --group g2 --names", 0),
    ("admin", "role remove --project demo --group g2 reader", 0), ("admin", "group remove user g2 demo", 0),
    ("admin", "group delete g2", 0),
    ("admin", "role create --description d r1", 0), ("admin", "role set --name r2 --description e r1", 0),
    ("admin", "role delete r2", 0),
    ("admin", "implied role list", 0),
    ("admin", "region create --parent-region RegionOne re1", 0), ("admin", "region set --description d re1", 0),
    ("admin", "region show re1", 0), ("admin", "region list --parent-region RegionOne", 0), ("admin", "region delete re1", 0),
    ("demo", "application credential create --role member --description d --expiration 2040-01-01T00:00:00 "
             "--access-rules '[{{\"service\": \"compute\", \"method\": \"GET\", \"path\": \"/v2.1/servers\"}}]' ac1", 0),
    ("demo", "application credential create --access-rules no-such-file ac2", 1),
    ("demo", "application credential show ac1", 0), ("demo", "application credential list", 0),
    ("demo", "application credential delete ac1", 0), ("demo", "application credential show ac1", 1),
    ("demo", "access rule list >> rule=ID", 0), ("demo", "access rule delete {rule}", 0),
    ("admin", "project create --tag a p1", 0), ("admin", "project set --tag b --remove-tag a p1", 0),
    ("admin", "project list --tags b", 0), ("admin", "project set --clear-tags p1", 0), ("admin", "project delete p1", 0),
    ("admin", "service create --name s1 odd", 0), ("admin", "service set --description d --disable s1", 0),
    ("admin", "endpoint create s1 public http://192.0.2.1/ >> endpoint=id", 0),
    ("admin", "endpoint set --url http://192.0.2.2/ {endpoint}", 0), ("admin", "service delete s1", 0),
    ("admin", "keypair list --project demo", 0),
    ("demo", "user password set --original-password '{password}' --password another-secret-9", 0),
    ("demo", "--os-password another-secret-9 user password set --original-password another-secret-9 --password '{password}'", 0),
    ("demo", "user password set --original-password wrong --password not-used-either", 1),
)  # fmt: skip
