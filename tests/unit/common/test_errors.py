"""Every error has a code of its own and leaves the API as a status that was chosen for it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from api import errors as api_errors
from api.app import all_apis
from common import errors
from common.errors import CloudError

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CloudError)]
#: These stay inside: a request that ends in one of them is our failure, and rightly a 500.
INTERNAL = {
    errors.CloudError, errors.NoValidNode, errors.LeaseLost, errors.StaleCommand, errors.CommandExpired,
    errors.ImageDamaged, errors.HypervisorError, errors.HypervisorTimeout, errors.NetworkingError, errors.StorageError,
    errors.ToolFailed, errors.ConfigError, errors.FetchFailed,
}  # fmt: skip


def test_codes_are_unique_and_stable_words() -> None:
    counted = Counter(kind.code for kind in KINDS)
    assert [code for code, count in counted.items() if count > 1] == []
    assert all(code.replace("_", "").isalpha() and code.islower() for code in counted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_the_status_of_somebodys_choice(kind: type[CloudError]) -> None:
    status = api_errors.status_of(kind("no"))
    assert (status == 500) == (kind in INTERNAL), f"{kind.__name__}: put it into api/errors.py STATUS, or INTERNAL here"


def test_a_subclass_is_answered_as_its_base() -> None:
    class Odd(errors.QuotaExceeded):
        code = "odd"

    assert api_errors.status_of(Odd("no")) == 403
    assert api_errors.status_of(errors.QuotaExceeded("no", http_status=409)) == 409


def test_detail_is_no_part_of_the_message() -> None:
    err = CloudError("what happened", detail="/var/lib/secret", node="n1")
    assert str(err) == "what happened"
    assert err.as_dict() == {
        "code": "internal_error", "message": "what happened", "detail": "/var/lib/secret", "node": "n1",
    }  # fmt: skip


@pytest.mark.parametrize("api", all_apis(), ids=lambda api: f"{api.name}{api.prefix}")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 413, 415, 429, 500, 503, 599])
def test_every_service_can_say_every_status(api: Any, status: int) -> None:
    body = msgspec.json.decode(msgspec.json.encode(api.error_form(status, "the reason", "a_code")))
    assert "the reason" in str(body)
    assert body == api.error_form(status, "the reason", "a_code")
