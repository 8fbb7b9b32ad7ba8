"""/credentials and /users/{id}/credentials/OS-EC2."""

from __future__ import annotations

from api.identity import listing
from api.identity.bodies import validate_secret
from api.identity.operations import credentials as operations
from api.identity.schemas.credentials import CREATE_CREDENTIAL, CREATE_EC2_CREDENTIAL, UPDATE_CREDENTIAL
from api.identity.views import credentials as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_credentials(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "user_id", "type")
    rows = operations.list_all(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "credentials", rows, views.credential, lambda row: row.credential.id)


def show(request: ApiRequest, credential_id: str) -> Reply:
    shown = operations.show(request.services, request.context, credential_id)
    return Reply({"credential": views.credential(shown, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate_secret(request.body, CREATE_CREDENTIAL)
    shown = operations.create(request.services, request.context, request.body["credential"])
    return Reply({"credential": views.credential(shown, request.base_url)}, 201)


def update(request: ApiRequest, credential_id: str) -> Reply:
    validate_secret(request.body, UPDATE_CREDENTIAL)
    shown = operations.update(request.services, request.context, credential_id, request.body["credential"])
    return Reply({"credential": views.credential(shown, request.base_url)})


def delete(request: ApiRequest, credential_id: str) -> Reply:
    operations.delete(request.services, request.context, credential_id)
    return Reply(status=204)


def list_ec2(request: ApiRequest, user_id: str) -> Reply:
    rows = operations.list_ec2(request.services, request.context, user_id, listing.page_of(request))
    return listing.listed(request, "credentials", rows, views.ec2_credential, lambda row: row.credential.id)


def create_ec2(request: ApiRequest, user_id: str) -> Reply:
    validate(request.body, CREATE_EC2_CREDENTIAL)
    shown = operations.create_ec2(request.services, request.context, user_id, request.body["tenant_id"])
    return Reply({"credential": views.ec2_credential(shown, request.base_url)}, 201)


def show_ec2(request: ApiRequest, user_id: str, access: str) -> Reply:
    shown = operations.show_ec2(request.services, request.context, user_id, access)
    return Reply({"credential": views.ec2_credential(shown, request.base_url)})


def delete_ec2(request: ApiRequest, user_id: str, access: str) -> Reply:
    operations.delete_ec2(request.services, request.context, user_id, access)
    return Reply(status=204)
