"""Query parameters of Cumulet's own API."""

from __future__ import annotations

from api.request import ApiRequest
from common.errors import InvalidRequest
from common.ids import is_uuid
from common.states import OperationState


def limit(request: ApiRequest) -> int:
    """Rows at most. Raises InvalidRequest."""
    highest = request.services.config.api.max_limit
    text = request.arg("limit") or str(highest)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(f"limit must be a whole number that is not negative, not {text[:32]!r}.")
    return min(int(text), highest)


def states(request: ApiRequest) -> list[str]:
    """Operation states asked for. Raises InvalidRequest."""
    wanted = [word for text in request.query.get("state", []) for word in text.split(",")]
    unknown = [word for word in wanted if word not in OperationState.__members__.values()]
    if unknown:
        raise InvalidRequest(f"There is no operation state {unknown[0][:32]!r}; there are {', '.join(OperationState)}.")
    return wanted


def marker(request: ApiRequest) -> str | None:
    """The id of the last operation of the page before. Raises InvalidRequest."""
    text = request.arg("marker")
    if text is not None and not is_uuid(text):
        raise InvalidRequest(f"marker must be the id of an operation, not {text[:64]!r}.")
    return text


def resource(request: ApiRequest) -> str | None:
    """The id of the instance, volume or node that operations are about. Raises InvalidRequest."""
    text = request.arg("resource")
    if text is not None and not is_uuid(text):
        raise InvalidRequest(f"resource must be an id, not {text[:64]!r}.")
    return text


def flag(request: ApiRequest, name: str) -> bool:
    """True for `?name` and `?name=true`. Raises InvalidRequest for what is neither true nor false."""
    text = request.arg(name, "false")
    if text not in ("", "true", "True", "1", "false", "False", "0"):
        raise InvalidRequest(f"{name} must be true or false, not {str(text)[:32]!r}.")
    return text in ("", "true", "True", "1")
