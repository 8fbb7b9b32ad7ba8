"""Every command of the table at least once against a real cloud; in this process, since starting one takes longest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.commands import OPENSTACK
from tests.fixtures.api import PASSWORD
from tests.fixtures.live_cloud import PUBLIC_KEY, LiveCloud
from tests.fixtures.terminal import typed
from tests.functional.cli.lines_compute import COMPUTE
from tests.functional.cli.lines_identity import IDENTITY
from tests.functional.cli.lines_network import NETWORK
from tests.functional.cli.lines_server import SERVER
from tests.functional.cli.lines_volume import VOLUME
from tests.functional.image.imports import disk, foreign
from tests.unit.ova_files import ova

#: (user, words, exit code); `>> rule=id` keeps what the answer's JSON has as `id` (of a list: the last one) for {rule}
LINES: tuple[tuple[str, str, int], ...] = (
    ("demo", "keypair create --public-key {folder}/key.pub k1 -f json", 0),
    ("demo", "keypair create --private-key {folder}/made.key k2", 0),
    ("demo", "keypair create --private-key {folder}/made.key k3", 1),
    ("demo", "keypair list", 0), ("demo", "keypair show k1 --public-key", 0), ("demo", "keypair delete k1 k2", 0),
    ("demo", "image create --file {folder}/disk --property os_admin_user=fred --tag a --progress im -f json", 0),
    ("demo", "image set --name im2 --property x=1 --tag b --min-ram 64 im", 0),
    ("demo", "image show im2 --human-readable", 0), ("demo", "image list --tag b --long", 0),
    ("demo", "image save --file {folder}/saved im2", 0), ("demo", "image unset --property x --tag a im2", 0),
    ("demo", "image unset --property x im2", 1), ("demo", "image set --deactivate im2", 0), ("demo", "image delete im2", 0),
    ("demo", "image import info", 0), ("demo", "image stores list", 0), ("admin", "image stores list --detail", 0),
    ("demo", "image import --name ova --property a=b {folder}/machine.ova -f json", 0), ("demo", "image show ova", 0),
    ("demo", "image import {folder}/disk", 1), ("demo", "image import --disk-format qcow2 {folder}/disk", 1),
    ("demo", "image import --disk-format raw --name im3 --progress {folder}/disk", 0),
    ("demo", "image import --method copy-image im3", 1), ("demo", "image import --uri http://x.example/ im3", 1),
    ("demo", "image import --method web-download --uri ftp://x.example/ im3", 1), ("demo", "image delete ova im3", 0),
    ("demo", "image create --import --file {folder}/disk --shared im4", 0),
    ("demo", "image create im5", 0), ("demo", "image stage --file {folder}/disk im5", 0), ("demo", "image import --wait im5", 0),
    ("demo", "image add project im5 other", 0), ("demo", "image member list im5", 0), ("demo", "image member get im5 other", 0),
    ("demo", "image remove project im5 other", 0), ("demo", "image remove project im5 other", 1),
    ("admin", "image task list --status success >> task=ID", 0), ("admin", "image task show {task}", 0),
    ("demo", "image task list", 1), ("demo", "image delete im4 im5", 0),
    ("admin", "flavor create --ram 64 --disk 1 --private --project demo --property a=b f1 -f json", 0),
    ("admin", "flavor set --property c=d --description text f1", 0), ("admin", "flavor show f1", 0),
    ("admin", "flavor unset --property a --project demo f1", 0), ("admin", "flavor list --all --long", 0),
    ("admin", "flavor delete f1", 0),
    ("demo", "network create --description d n1 -f json", 0), ("demo", "network set --name n2 --disable n1", 0),
    ("demo", "network set --enable n2", 0), ("demo", "network show n2", 0), ("demo", "network list --name n2 --long", 0),
    ("demo", "subnet create --network n2 --subnet-range 10.9.0.0/24 --dns-nameserver 192.0.2.1 s1", 0),
    ("demo", "subnet set --name s2 --dns-nameserver 192.0.2.2 s1", 0), ("demo", "subnet show s2", 0),
    ("demo", "subnet list --network n2 --long", 0),
    ("demo", "port create --network n2 --fixed-ip subnet=s2,ip-address=10.9.0.9 p1", 0),
    ("demo", "port set --name p2 --allowed-address ip-address=10.9.0.8 p1", 0), ("demo", "port show p2", 0),
    ("demo", "port list --network n2 --long", 0), ("demo", "security group create g1", 0),
    ("demo", "security group set --name g2 --description d g1", 0), ("demo", "security group show g2", 0),
    ("demo", "security group list", 0),
    ("demo", "security group rule create --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24 g2 >> rule=id", 0),
    ("demo", "security group rule create --protocol icmp --icmp-type 8 g2", 0),
    ("demo", "security group rule create --dst-port 80 --protocol icmp g2", 1),
    ("demo", "security group rule show {rule}", 0), ("demo", "security group rule list g2", 0),
    ("demo", "security group rule delete {rule}", 0),
    ("demo", "server create --flavor c1.tiny --image guest --nic net-id=n2,v4-fixed-ip=10.9.0.20 --key-name demo"
             " --property a=b --tag t --user-data {folder}/key.pub --wait web -f json", 0),
    ("demo", "server list --name web --long -c Name -c user_id", 0), ("demo", "server show web", 0),
    ("demo", "server add security group web g2", 0), ("demo", "server remove security group web g2", 0),
    ("demo", "server set --name web2 --property c=d --tag u --description d web", 0),
    ("demo", "server unset --property a --tag t --description web2", 0),
    ("demo", "server stop --wait web2", 0), ("demo", "server start --wait web2", 0),
    ("demo", "server pause --wait web2", 0), ("demo", "server unpause --wait web2", 0),
    ("demo", "server suspend --wait web2", 0), ("demo", "server resume --wait web2", 0),
    ("demo", "server rebuild --image guest --name web2 --description r --user-data {folder}/key.pub --wait web2", 0),
    ("demo", "server rebuild --no-key-name --property c=d --preserve-ephemeral --wait web2", 0),
    ("demo", "server image create --name snap --property a=b --wait web2", 0),
    ("demo", "server backup create --name back --type daily --rotate 1 --wait web2", 0),
    ("demo", "image delete snap back", 0),
    ("demo", "server shelve --wait web2", 0), ("demo", "server unshelve --wait web2", 0),
    ("demo", "server reboot --hard --wait web2", 0), ("demo", "server lock --reason r web2", 0),
    ("demo", "server unlock web2", 0), ("demo", "console log show --lines 5 web2", 0),
    ("demo", "server event list web2 >> event=Request ID", 0), ("demo", "server event show web2 {event}", 0),
    ("demo", "server why web2", 0), ("demo", "network trace web2 web2 --port 22", 0),
    ("demo", "network trace web2 192.0.2.77 -f json", 1), ("demo", "network trace web2 no-such-server", 1),
    ("demo", "operation list", 0), ("demo", "top --once", 0), ("admin", "top --once", 0),
    ("demo", "server delete nothing-like-it", 1), ("demo", "server delete --wait web2", 0), ("demo", "server show web2", 1),
    ("demo", "security group delete g2", 0), ("demo", "port delete p2", 0), ("demo", "subnet delete s2", 0),
    ("demo", "network delete n2", 0),
    ("admin", "project create --description d pr -f json", 0), ("admin", "project create --or-show pr", 0),
    ("admin", "project set --description e --disable pr", 0), ("admin", "project show pr", 0),
    ("admin", "user create --password secret-of-u --email u@x u -f json", 0), ("admin", "user set --description d u", 0),
    ("admin", "user show u", 0), ("admin", "user list --project demo", 0), ("admin", "role create ro", 0),
    ("admin", "role show ro", 0), ("admin", "role list", 0), ("admin", "role add --project pr --user u ro", 0),
    ("admin", "role assignment list --project pr --names", 0), ("admin", "role remove --project pr --user u ro", 0),
    ("admin", "role delete ro", 0), ("admin", "user delete u", 0), ("admin", "quota set --instances 3 --ports 9 pr", 0),
    ("admin", "quota show pr --usage", 0), ("admin", "quota list --compute", 0), ("admin", "quota list --network", 0),
    ("admin", "quota delete pr", 0), ("admin", "project delete pr", 0), ("admin", "project list", 0),
    ("demo", "limits show --absolute", 0), ("admin", "hypervisor list", 0), ("admin", "hypervisor show node1", 0),
    ("admin", "compute service set --disable --disable-reason r node1 nova-compute", 0),
    ("admin", "schedule dry-run --flavor c1.tiny", 1), ("admin", "compute service set --enable node1 nova-compute", 0),
    ("admin", "compute service list", 0), ("admin", "schedule dry-run --flavor c1.tiny --image guest --count 3", 0),
    ("demo", "schedule dry-run --flavor c1.tiny", 1), ("demo", "availability zone list", 0),
    ("demo", "token issue >> token=id", 0), ("demo", "token revoke {token}", 0), ("demo", "catalog list", 0),
    ("demo", "catalog show compute", 0), ("admin", "service create --name sv odd", 0), ("admin", "service list", 0),
    ("admin", "service show sv", 0), ("admin", "endpoint create sv public http://192.0.2.1/ >> endpoint=id", 0),
    ("admin", "endpoint show {endpoint}", 0), ("admin", "endpoint list --service sv", 0),
    ("admin", "endpoint delete {endpoint}", 0), ("admin", "service delete sv", 0),
    ("demo", "flavor list --limit no", 2), ("demo", "server reboot", 2), ("demo", "no such command", 2),
)  # fmt: skip

#: what this cloud has nothing for: no guest to log in to, no gateway to put a router on, no server that is deleted for a time
NOT_HERE = ["network agent add router", "network agent remove router", "server ssh", "server restore"]
EVERY = (*LINES, *SERVER, *VOLUME, *NETWORK, *COMPUTE, *IDENTITY)


def test_every_command(live_cloud: LiveCloud, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(PUBLIC_KEY)
    (tmp_path / "disk").write_bytes(b"y" * 4096)
    (tmp_path / "machine.ova").write_bytes(ova(foreign(disk(tmp_path), "vmdk").read_bytes()))
    known: dict[str, Any] = {"folder": tmp_path, "password": PASSWORD}
    for user, line, code in EVERY:
        words, _, kept = line.format(**known).partition(" >> ")
        done = typed(live_cloud, f"{words} -f json" if kept else words, user)
        assert done.code == code, f"cumulet {words}: {done.code}\n{done.out}{done.err}"
        for name, _, key in (pair.partition("=") for pair in kept.split(",") if pair):
            known[name] = (done.json[-1] if isinstance(done.json, list) else done.json)[key]
    assert (tmp_path / "saved").read_bytes() == (tmp_path / "disk").read_bytes()
    assert (tmp_path / "made.key").stat().st_mode & 0o777 == 0o600


def test_no_command_is_left_out() -> None:
    said = [words for _, words, code in EVERY if code == 0]
    missing = [name for name in OPENSTACK if not any(f"{words} ".startswith(f"{name} ") for words in said)]
    assert missing == NOT_HERE
