"""What requests about the template of new security groups mean; administrators write it, everybody may read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations.security_group_rules import normalise
from api.network.problems import invalid
from api.request import ApiRequest
from common.db import default_group_rules, sharing
from common.db.default_group_rules import TemplateRule
from common.db.filters import Filters
from common.db.paging import Page
from common.db.rbac_policies import ADDRESS_GROUP


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[TemplateRule]:
    """All or none."""
    rules = [_rule(body) for body in bodies]

    def work(session: Session) -> list[TemplateRule]:
        default_group_rules.write_down(session)
        for each in rules:
            if each.rule.remote_address_group_id:
                sharing.get_visible(session, ADDRESS_GROUP, each.rule.remote_address_group_id, request.context)
        return default_group_rules.add(session, rules)

    return request.services.db.run(work)


def _rule(body: dict[str, Any]) -> TemplateRule:
    in_default, in_others = body.get("used_in_default_sg", False), body.get("used_in_non_default_sg", True)
    if not (in_default or in_others):
        raise invalid("The rule would be used in no group: used_in_default_sg and used_in_non_default_sg are false.")
    return TemplateRule("", normalise(body), in_default, in_others)


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[TemplateRule]:
    def work(session: Session) -> list[TemplateRule]:
        default_group_rules.write_down(session)
        return default_group_rules.list_(session, filters, page)

    return request.services.db.run(work)


def show(request: ApiRequest, rule_id: str) -> TemplateRule:
    with request.services.db.read() as session:
        return default_group_rules.get(session, rule_id)


def delete(request: ApiRequest, rule_id: str) -> None:
    request.services.db.run(lambda session: default_group_rules.delete(session, rule_id))
