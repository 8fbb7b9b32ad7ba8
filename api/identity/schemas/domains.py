"""Domains: create and update."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, ENABLED, OPTIONS, REFUSED, SHORT_NAME, TAGS, with_extras
from api.schema import ID, obj

_FIELDS = {"name": SHORT_NAME, "description": DESCRIPTION, "enabled": ENABLED, "tags": TAGS, "options": OPTIONS}
CREATE = obj({"domain": with_extras({**_FIELDS, "id": REFUSED}, ("name",))}, ("domain",))
UPDATE = obj({"domain": with_extras({**_FIELDS, "id": ID})}, ("domain",))
