"""Roles: create and update."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, NULLABLE_ID, OPTIONS
from api.schema import ID, NAME, obj

_FIELDS = {"name": NAME, "description": DESCRIPTION, "domain_id": NULLABLE_ID, "options": OPTIONS}
CREATE = obj({"role": obj(_FIELDS, ("name",))}, ("role",))
UPDATE = obj({"role": obj({**_FIELDS, "id": ID})}, ("role",))
