"""Migrations, read."""

from __future__ import annotations

from collections.abc import Sequence

from api.request import Services
from common.db import server_migrations
from common.db.models import ServerMigration
from common.db.paging import Page
from common.db.server_migrations import MigrationFilter


def list_page(services: Services, wanted: MigrationFilter, page: Page) -> Sequence[ServerMigration]:
    """Raises InvalidRequest for an unknown marker."""
    with services.db.read() as session:
        return server_migrations.list_page(session, wanted, page)
