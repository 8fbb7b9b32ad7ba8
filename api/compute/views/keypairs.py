"""Key pairs; FIELDS says what came when. The private half is shown once, to whoever asked for the pair."""

from __future__ import annotations

from api.compute.operations.keypairs import Made
from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.models import Keypair

FIELDS = (Field("type", since="2.2"),)


def item(row: Keypair, audience: Reader) -> Body:
    body: Body = {
        "name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint, "type": row.type,
    }  # fmt: skip
    return {"keypair": prune(body, FIELDS, audience)}


def show(row: Keypair, audience: Reader) -> Body:
    body: Body = {
        "id": row.number,
        "name": row.name,
        "public_key": row.public_key,
        "fingerprint": row.fingerprint,
        "user_id": row.user_id,
        "type": row.type,
        "deleted": False,
        "created_at": micros(row.created_at),
        "updated_at": None,
        "deleted_at": None,
    }
    return {"keypair": prune(body, FIELDS, audience)}


def created(made: Made, audience: Reader) -> Body:
    row = made.row
    body: Body = {
        "name": row.name, "public_key": row.public_key, "fingerprint": row.fingerprint, "user_id": row.user_id,
        "type": row.type,
    }  # fmt: skip
    if made.private_key is not None:
        body["private_key"] = made.private_key.reveal()
    return {"keypair": prune(body, FIELDS, audience)}
