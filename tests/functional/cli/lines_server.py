"""Lines of tests/functional/cli/test_every_command.py: what servers can be made to do beyond power and images."""

from __future__ import annotations

#: (user, words, exit code)
SERVER: tuple[tuple[str, str, int], ...] = (
    ("demo", "server create --flavor c1.tiny --image guest --network shared --wait acting", 0),
    ("demo", "server list --name acting >> acting=ID", 0),
    ("demo", "server resize --flavor c1.small --wait acting", 0), ("demo", "server resize revert --wait acting", 0),
    ("demo", "server resize --flavor c1.small --wait acting", 0), ("demo", "server resize confirm --wait acting", 0),
    ("demo", "server resize --flavor c1.tiny --wait acting", 0), ("demo", "server resize --revert --wait acting", 0),
    ("demo", "server resize --flavor c1.tiny --wait acting", 0), ("demo", "server migration revert --wait acting", 0),
    ("demo", "server resize --flavor c1.tiny --wait acting", 0), ("demo", "server migration confirm --wait acting", 0),
    ("demo", "server resize acting", 2), ("demo", "server resize confirm acting", 1),
    ("admin", "server migration list --server {acting}", 0), ("demo", "server migration list", 1),
    ("demo", "server rescue --image guest --wait acting", 0), ("demo", "server rescue acting", 1),
    ("demo", "server unrescue --wait acting", 0), ("demo", "server dump create acting", 0),
    ("demo", "server set --password new-secret acting", 1), ("demo", "server set --hostname acting-2 acting", 0),
    ("demo", "server restore {acting}", 1), ("demo", "server migrate acting", 1), ("admin", "server migrate {acting}", 0),
    ("demo", "server delete --wait acting", 0),
)  # fmt: skip
