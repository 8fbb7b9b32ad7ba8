"""Routes of backups."""

from __future__ import annotations

from api.policy import Rule
from api.routing import Handler, Route
from api.volume.handlers import backups

_BACKUP = "/backups/<backup_id>"
ADMIN, READER, MEMBER = Rule.ADMIN, Rule.READER, Rule.MEMBER


def _row(method: str, path: str, handler: Handler, key: str, rule: Rule, *, action: str | None = None,
         since: str | None = None) -> Route:  # fmt: skip
    return Route(method, path, action, since, None, rule, handler, f"volume:backups:{key}")


BACKUPS = (
    _row("GET", "/backups", backups.list_summary, "index", READER),
    _row("GET", "/backups/detail", backups.list_detail, "detail", READER),
    _row("POST", "/backups", backups.create, "create", MEMBER),
    _row("POST", "/backups/import_record", backups.import_record, "import_record", ADMIN),
    _row("GET", _BACKUP, backups.show, "show", READER),
    _row("PUT", _BACKUP, backups.update, "update", MEMBER, since="3.9"),
    _row("DELETE", _BACKUP, backups.delete, "delete", MEMBER),
    _row("POST", f"{_BACKUP}/restore", backups.restore, "restore", MEMBER),
    _row("GET", f"{_BACKUP}/export_record", backups.export_record, "export_record", ADMIN),
    _row("POST", f"{_BACKUP}/action", backups.reset_status, "os-reset_status", ADMIN, action="os-reset_status"),
    _row("POST", f"{_BACKUP}/action", backups.force_delete, "os-force_delete", ADMIN, action="os-force_delete"),
)
