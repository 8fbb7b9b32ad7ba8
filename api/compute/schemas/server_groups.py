"""Bodies of requests about server groups: a list of one policy until 2.63, a policy with rules since."""

from __future__ import annotations

from api.schema import NAME, Schema, integer, obj

_HARD = ["anti-affinity", "affinity"]
_ALL = [*_HARD, "soft-anti-affinity", "soft-affinity"]


def _with_policies(known: list[str]) -> Schema:
    policies: Schema = {"type": "array", "items": {"enum": known}, "minItems": 1, "maxItems": 1}
    return obj({"server_group": obj({"name": NAME, "policies": policies}, ("name", "policies"))}, ("server_group",))


CREATE, CREATE_215 = _with_policies(_HARD), _with_policies(_ALL)
_RULES = obj({"max_server_per_host": integer(1)})
CREATE_264 = obj(
    {"server_group": obj({"name": NAME, "policy": {"enum": _ALL}, "rules": _RULES}, ("name", "policy"))},
    ("server_group",),
)
