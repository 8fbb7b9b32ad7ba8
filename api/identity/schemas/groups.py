"""Groups: create and update."""

from __future__ import annotations

from api.identity.schemas.shared import DESCRIPTION, NULLABLE_ID, REFUSED, SHORT_NAME, with_extras
from api.schema import ID, obj

_FIELDS = {"name": SHORT_NAME, "description": DESCRIPTION, "domain_id": NULLABLE_ID}
CREATE = obj({"group": with_extras({**_FIELDS, "id": REFUSED}, ("name",))}, ("group",))
UPDATE = obj({"group": with_extras({**_FIELDS, "id": ID})}, ("group",))
