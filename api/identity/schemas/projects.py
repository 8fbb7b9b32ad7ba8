"""Projects: create and update."""

from __future__ import annotations

from api.identity.schemas.shared import (
    DESCRIPTION,
    ENABLED,
    NULLABLE_ID,
    OPTIONS,
    REFUSED,
    SHORT_NAME,
    TAGS,
    with_extras,
)
from api.schema import ID, obj

_FIELDS = {
    "name": SHORT_NAME,
    "description": DESCRIPTION,
    "enabled": ENABLED,
    "tags": TAGS,
    "options": OPTIONS,
    "domain_id": NULLABLE_ID,
    "parent_id": NULLABLE_ID,
    "is_domain": {"enum": [False]},
}
CREATE = obj({"project": with_extras({**_FIELDS, "id": REFUSED}, ("name",))}, ("project",))
UPDATE = obj({"project": with_extras({**_FIELDS, "id": ID})}, ("project",))
REPLACE_TAGS = obj({"tags": TAGS}, ("tags",))
