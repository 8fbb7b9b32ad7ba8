"""/users/{id}/application_credentials and /users/{id}/access_rules."""

from __future__ import annotations

from api.identity import listing
from api.identity.bodies import validate_secret
from api.identity.operations import application_credentials as operations
from api.identity.schemas.credentials import CREATE_APPLICATION_CREDENTIAL
from api.identity.views import credentials as views
from api.request import ApiRequest, Reply


def list_credentials(request: ApiRequest, user_id: str) -> Reply:
    filters = listing.text_filters(request, "name")
    rows = operations.list_of(request.services, request.context, user_id, filters, listing.page_of(request))
    return listing.listed(
        request, "application_credentials", rows, views.application_credential, lambda row: row.credential.id
    )


def show(request: ApiRequest, user_id: str, credential_id: str) -> Reply:
    shown = operations.show(request.services, request.context, user_id, credential_id)
    return Reply({"application_credential": views.application_credential(shown, request.base_url)})


def create(request: ApiRequest, user_id: str) -> Reply:
    """The only reply that ever holds the secret."""
    validate_secret(request.body, CREATE_APPLICATION_CREDENTIAL)
    given = request.body["application_credential"]
    shown = operations.create(request.services, request.context, user_id, given)
    return Reply({"application_credential": views.application_credential(shown, request.base_url)}, 201)


def delete(request: ApiRequest, user_id: str, credential_id: str) -> Reply:
    operations.delete(request.services, request.context, user_id, credential_id)
    return Reply(status=204)


def list_rules(request: ApiRequest, user_id: str) -> Reply:
    filters = listing.text_filters(request, "service", "method", "path")
    rows = operations.list_rules(request.services, request.context, user_id, filters, listing.page_of(request))
    return listing.listed(request, "access_rules", rows, views.access_rule, lambda row: row.id)


def show_rule(request: ApiRequest, user_id: str, rule_id: str) -> Reply:
    row = operations.show_rule(request.services, request.context, user_id, rule_id)
    return Reply({"access_rule": views.access_rule(row, request.base_url)})


def delete_rule(request: ApiRequest, user_id: str, rule_id: str) -> Reply:
    operations.delete_rule(request.services, request.context, user_id, rule_id)
    return Reply(status=204)
