"""Routes as data, and the choice of one for a request.

Each API folder's routes.py is a table of `Route`; an `Api` says where it hangs and how it talks. Tests walk these
tables: a new route is covered by the authorization and tenancy checks on the day it appears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.microversion import Microversion, VersionRange
from api.policy import Rule
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest, MethodNotAllowed, NotFound

Handler = Callable[..., Reply]
ErrorForm = Callable[[int, str, str], Any]
"""(status, message, error code) -> the service's own error body, as a JSON value."""
Look = Callable[..., None]
"""(services, context, **path arguments): raises NotFound when the caller can't see what the path names."""


@dataclass(frozen=True)
class Route:
    """One row. `action` is the key of the body for POST …/action routes. `since`/`until`: microversions, inclusive.

    key names the route in the policy file: "compute:servers:create". raw_body: the handler reads request.stream.
    look: asked before a caller is told that its role is too small, so that this says nothing of things it can't see.
    """

    method: str
    path: str
    action: str | None
    since: str | None
    until: str | None
    rule: Rule
    handler: Handler
    key: str
    raw_body: bool = False
    look: Look | None = None

    def answers(self, version: Microversion) -> bool:
        if self.since and version < Microversion.parse(self.since):
            return False
        return not (self.until and version > Microversion.parse(self.until))


@dataclass(frozen=True)
class Api:
    """One OpenStack API: `prefix` is where it hangs on the listener ("/compute/v2.1").

    exact: a slash at the end names something else, which is not there.
    either_dash: clients write the names of collections with "-" or with "_", as they like.
    project_prefix: where it hangs too, with the caller's project in the path as <caller_project_id>; "" for nowhere.
    old_prefix: where it hangs too, always in its lowest microversion, whatever is asked for; "" for nowhere.
    """

    name: str
    prefix: str
    routes: Sequence[Route]
    error_form: ErrorForm
    versions: VersionRange | None = None
    request_id_headers: tuple[str, ...] = field(default=("x-openstack-request-id",))
    project_prefix: str = ""
    either_dash: bool = False
    exact: bool = False
    old_prefix: str = ""

    def is_old(self, path: str) -> bool:
        """Whether a request's path is below old_prefix."""
        return bool(self.old_prefix) and f"{path}/".startswith(f"{self.old_prefix}/")

    def other_spelling(self, route_path: str) -> str:
        """The path below `prefix` with the first name in it written the other way; the same where there is none."""
        _, first, *rest = route_path.split("/") if self.either_dash and route_path else ["", ""]
        swapped = first.replace("_", "-") if "_" in first else first.replace("-", "_")
        return "/".join(["", swapped, *rest]) if first else route_path


def choose(candidates: Sequence[Route], request_method: str, version: Microversion, body: Any) -> Route:
    """The route of one path that fits method, version and action.

    Raises MethodNotAllowed, NotFound (no route at this version), InvalidRequest (no such action).
    """
    of_method = [route for route in candidates if route.method == request_method]
    if not of_method:
        raise MethodNotAllowed(
            f"The method {request_method} is not allowed for this resource.", allowed=allowed_methods(candidates)
        )
    if all(route.action is None for route in of_method):
        for route in of_method:
            if route.answers(version):
                return route
        raise NotFound("The resource could not be found.")
    if not isinstance(body, dict) or len(body) != 1:
        raise InvalidRequest("The body must be an object with exactly one action.")
    name = next(iter(body))
    for route in of_method:
        if route.action == name and route.answers(version):
            return route
    raise InvalidRequest(f"There is no such action: {str(name)[:80]}")


def allowed_methods(candidates: Sequence[Route]) -> list[str]:
    """For the header Allow: what a path answers to; GET answers HEAD too, and every path OPTIONS."""
    methods = {route.method for route in candidates} | {"OPTIONS"}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def run(route: Route, request: ApiRequest, path_args: dict[str, str]) -> Reply:
    return route.handler(request, **path_args)
