"""Bodies of requests about key pairs."""

from __future__ import annotations

from api.schema import Schema, obj

_NAME: Schema = {
    "type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^(?! )[a-zA-Z0-9_ -]+(?<! )\Z",
}  # fmt: skip
_KEYPAIR = {"name": _NAME, "public_key": {"type": "string", "minLength": 1, "maxLength": 16384}}
_WITH_TYPE = {**_KEYPAIR, "type": {"enum": ["ssh", "x509"]}}
_WITH_USER = {**_WITH_TYPE, "user_id": {"type": "string", "minLength": 1, "maxLength": 255}}
#: since 2.92 keys are only imported, and names may be mail addresses
_NAME_292: Schema = {**_NAME, "pattern": r"^(?! )[a-zA-Z0-9_ @.-]+(?<! )\Z"}
CREATE = obj({"keypair": obj(_KEYPAIR, ("name",))}, ("keypair",))
CREATE_22 = obj({"keypair": obj(_WITH_TYPE, ("name",))}, ("keypair",))
CREATE_210 = obj({"keypair": obj(_WITH_USER, ("name",))}, ("keypair",))
CREATE_292 = obj({"keypair": obj({**_WITH_USER, "name": _NAME_292}, ("name", "public_key"))}, ("keypair",))
