"""INSERT … ON CONFLICT DO NOTHING counts what it inserted, on both databases: claims and addresses rest on it."""

from __future__ import annotations

from api.request import Services
from common.db.models import QuotaUsage
from common.db.upsert import insert_ignore


def test_only_new_rows_are_counted(services: Services, database_url: str) -> None:
    rows = [{"project_id": "p", "resource": name, "in_use": 0} for name in ("a", "b", "c")]
    with services.db.write() as session:
        assert insert_ignore(session, QuotaUsage, rows[:1]) == 1
        assert insert_ignore(session, QuotaUsage, rows[:1]) == 0
        assert insert_ignore(session, QuotaUsage, rows) == 2
        assert insert_ignore(session, QuotaUsage, []) == 0
