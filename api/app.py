"""The WSGI application: all APIs on one listener, each by its route table.

A request goes: request id -> route -> token -> policy -> body -> handler -> reply. Errors of every kind leave through one
place, in the form of the API they happened in; nothing a client sends ends in a traceback.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, cast

import flask
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import Map, Rule
from werkzeug.wsgi import wrap_file

from api import compression, compute, cors, cumulet, identity, image, network, placement, volume
from api.access_rules import check_access_rules
from api.auth import authenticate
from api.errors import status_of
from api.microversion import Microversion
from api.policy import Rule as PolicyRule
from api.policy import enforce, load_overrides
from api.request import ApiRequest, FileSpan, Reply, Services
from api.routing import Api, Route, allowed_methods, choose, run
from common import log
from common.context import RequestContext
from common.errors import (
    BodyTooLarge,
    CloudError,
    Forbidden,
    InvalidRequest,
    MalformedBody,
    NotFound,
    UnsupportedMediaType,
)
from common.ids import is_request_id, new_request_id

logger = logging.getLogger(__name__)
REQUESTS = Counter(
    "cumulet_api_requests_total", "API requests by service, method and status", ["api", "method", "status"]
)
SECONDS = Histogram("cumulet_api_request_seconds", "Time to answer, by service", ["api"])
_CHUNK_BYTES = 1024 * 1024
NO_VERSION = Microversion(1, 0)
#: routes are chosen by us, so that a method that a path doesn't have is answered in the API's own form
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def all_apis() -> list[Api]:
    """The table of contents: every API with its routes."""
    return [
        *identity.APIS, *compute.APIS, *image.APIS, *network.APIS, *volume.APIS, *placement.APIS, *cumulet.APIS,
    ]  # fmt: skip


def create_app(services: Services) -> flask.Flask:
    """The WSGI application for one worker process; called after fork."""
    services.db.tell_by(services.bus.tell)
    app = flask.Flask("cumulet", static_folder=None)
    app.url_map = _url_map()
    overrides = load_overrides(services.config.api.policy_file)
    for endpoint, api, routes in _endpoints():
        app.view_functions[endpoint] = _view(services, api, routes, overrides)
    app.view_functions["healthz"] = partial(_healthz, services)
    app.view_functions["metrics"] = _metrics
    app.register_error_handler(HTTPException, _http_exception)
    app.after_request(_compress)
    origins = cors.allowed_origins(services.config.api.cors_allowed_origins)
    app.before_request(partial(_preflight, origins))
    app.after_request(partial(_admit_pages, origins))
    return app


def prepare() -> None:
    """Make what all applications of this process, and of those forked from it, have in common.

    The first request would make it else, in each worker again, and write it into pages that they share until then.
    """
    _url_map().update()
    configure_mappers()


@cache
def _endpoints() -> list[tuple[str, Api, list[Route]]]:
    """Every path of every API, with the routes that share it."""
    by_path: dict[tuple[str, str], tuple[Api, list[Route]]] = {}
    for api in all_apis():
        for route in api.routes:
            by_path.setdefault((api.name, (api.prefix + route.path) or "/"), (api, []))[1].append(route)
    return [(f"{name}:{path}", api, routes) for (name, path), (api, routes) in by_path.items()]


class _MatchedOnly(Rule):
    """A rule that no address is ever built from: compiling what builds them is a tenth of the service's start."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: ARG002
        return _never_built


def _never_built(*_: object) -> tuple[str, str]:
    raise NotImplementedError("addresses are written by views, not built from rules")


@cache
def _url_map() -> Map:
    """Made once: tests make many applications."""
    rules = [
        _MatchedOnly(path, endpoint=endpoint, methods=METHODS, strict_slashes=api.exact)
        for endpoint, api, _ in _endpoints()
        for path in _paths(api, endpoint.partition(":")[2])
    ]
    health = [_MatchedOnly(f"/{name}", endpoint=name, methods=["GET"]) for name in ("healthz", "metrics")]
    return Map([*rules, *health], strict_slashes=False, merge_slashes=False)


def _paths(api: Api, path: str) -> list[str]:
    """Where a path of an API is found: with the caller's project in it, or with other dashes, too, where the API says so."""
    below = path.removeprefix(api.prefix)
    others = [prefix + below for prefix in (api.project_prefix, api.old_prefix) if prefix]
    return list(dict.fromkeys([path, api.prefix + api.other_spelling(below), *others]))


def _view(
    services: Services, api: Api, routes: Sequence[Route], overrides: dict[str, PolicyRule]
) -> Callable[..., flask.Response]:
    def view(**path_args: str) -> flask.Response:
        return _serve(services, api, routes, overrides, path_args)

    return view


def _serve(
    services: Services, api: Api, routes: Sequence[Route], overrides: dict[str, PolicyRule], path_args: dict[str, str]
) -> flask.Response:
    started = time.perf_counter()
    request = flask.request
    context = _anonymous(request)
    version = api.versions.lowest if api.versions else NO_VERSION
    with log.bind(request_id=context.request_id):
        try:
            if api.versions and not api.is_old(request.path):
                version = api.versions.negotiate(
                    request.headers.get("OpenStack-API-Version"),
                    request.headers.get(api.versions.legacy_header) if api.versions.legacy_header else None,
                )
            reply = _handle(services, api, routes, overrides, path_args, context, version)
        except CloudError as err:
            reply = _error_reply(api, err, context)
        except HTTPException as err:
            reply = _error_reply(api, _from_werkzeug(err), context, status=err.code)
        except Exception:
            logger.exception("api.unexpected_error")
            reply = Reply(api.error_form(500, f"An unexpected error occurred; request {context.request_id}.", ""), 500)
        response = _response(reply, api, context, version)
        elapsed_s = time.perf_counter() - started
        REQUESTS.labels(api.name, request.method, response.status_code).inc()
        SECONDS.labels(api.name).observe(elapsed_s)
        log.event(
            logger,
            "api.request",
            method=request.method,
            path=request.path[:500],
            status=response.status_code,
            ms=round(elapsed_s * 1000, 1),
        )
        return response


def _handle(
    services: Services,
    api: Api,
    routes: Sequence[Route],
    overrides: dict[str, PolicyRule],
    path_args: dict[str, str],
    context: RequestContext,
    version: Microversion,
) -> Reply:
    request = flask.request
    if request.method == "OPTIONS":  # says nothing about any resource, so that no token is needed
        return Reply(headers={"Allow": ", ".join(allowed_methods(routes))})
    method = "GET" if request.method == "HEAD" and not any(r.method == "HEAD" for r in routes) else request.method
    token = request.headers.get("X-Auth-Token")
    if token:  # also for public routes: a wrong token is told, and the handler may need the caller
        context = authenticate(services, token, context)
        check_access_rules(context, api.name, request.method, request.path)
    elif all(route.rule not in (PolicyRule.PUBLIC, PolicyRule.NODE) for route in routes):
        enforce(PolicyRule.AUTHENTICATED, context, api.name)  # before a byte of the body is read (DOS-05)
    raw = any(route.raw_body and route.method == method for route in routes)
    body = None if raw else _json_body(request, services.config.api.max_body_kib * 1024)
    route = choose(routes, method, version, body)
    _permit(services, context, route, overrides, path_args)
    prefix = _prefix(api, context, request.path, path_args.pop("caller_project_id", None))
    return run(
        route,
        ApiRequest(
            services=services,
            context=context,
            version=version,
            method=method,
            path=request.path,
            base_url=request.host_url.rstrip("/") + prefix,
            headers=cast("Mapping[str, str]", request.headers),  # case-insensitive
            query={key: request.args.getlist(key) for key in request.args},
            body=body,
            stream=request.stream if route.raw_body else None,
            content_type=request.mimetype,
        ),
        path_args,
    )


def _permit(
    services: Services,
    context: RequestContext,
    route: Route,
    overrides: Mapping[str, PolicyRule],
    path_args: Mapping[str, str],
) -> None:
    """Raises Unauthenticated, Forbidden; NotFound where the caller is not to know what it is forbidden to touch."""
    try:
        enforce(overrides.get(route.key, route.rule), context, route.key)
    except Forbidden:
        if route.look is not None:
            route.look(services, context, **path_args)
        raise


def _prefix(api: Api, context: RequestContext, path: str, named_project: str | None) -> str:
    """What links begin with. Raises InvalidRequest, in Cinder's words, for a project that is not the token's."""
    if api.is_old(path):
        return api.old_prefix
    if named_project is None:
        return api.prefix
    if named_project != context.project_id:
        raise InvalidRequest("Malformed request url")
    return api.project_prefix.replace("<caller_project_id>", named_project)


def _anonymous(request: flask.Request) -> RequestContext:
    """The caller before authentication. A client's own request id is kept beside ours, never instead of it."""
    client_id = request.headers.get("X-OpenStack-Request-ID", "")
    return RequestContext(
        request_id=new_request_id(),
        global_request_id=client_id if is_request_id(client_id) else None,
        client_address=request.remote_addr or "",
    )


def _json_body(request: flask.Request, limit_bytes: int) -> Any:
    """The decoded JSON body, None when empty. Raises BodyTooLarge, UnsupportedMediaType, MalformedBody."""
    if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
        return None
    if (request.content_length or 0) > limit_bytes:
        raise BodyTooLarge(f"The body is larger than {limit_bytes} bytes.")
    data = request.stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise BodyTooLarge(f"The body is larger than {limit_bytes} bytes.")
    if not data:
        return None
    if request.mimetype and not (
        request.mimetype == "application/json"
        or request.mimetype.endswith("+json")
        or request.mimetype.startswith("application/openstack-images")
    ):
        raise UnsupportedMediaType(f"Unsupported Content-Type {request.mimetype[:80]}; send application/json.")
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise MalformedBody(f"Malformed request body: {str(err)[:200]}") from err


def _error_reply(api: Api, err: CloudError, context: RequestContext, status: int | None = None) -> Reply:
    status = status or status_of(err)
    if status >= 500:
        log.event(logger, "api.error", logging.ERROR, code=err.code, error=err.message, detail=err.detail)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = f'Keystone uri="{flask.request.host_url.rstrip("/")}/identity"'
    streams = api.name == "image"  # clients that send a stream again, as this asks for, have no bytes left of it
    if status in (429, 503) or (status == 413 and not streams):
        headers["Retry-After"] = str(err.facts.get("retry_after_s", 1))
    if status == 405:
        headers["Allow"] = ", ".join(err.facts.get("allowed", []))
    message = err.message if status < 500 else f"{err.message} (request {context.request_id})"
    code = err.facts.get("neutron_type") or err.facts.get("placement_code") or err.code
    return Reply(api.error_form(status, message, str(code)), status, headers)


def _from_werkzeug(err: HTTPException) -> CloudError:
    if isinstance(err, RequestEntityTooLarge):
        return BodyTooLarge("The body is too large.")
    if err.code == 404:
        return NotFound("The resource could not be found.")
    return InvalidRequest(err.description or err.name)


def _response(reply: Reply, api: Api, context: RequestContext, version: Microversion) -> flask.Response:
    content: Any = b""
    if isinstance(reply.stream, FileSpan) and reply.stream.to_end:
        content = wrap_file(flask.request.environ, reply.stream.rewound(), _CHUNK_BYTES)  # gunicorn: by sendfile(2)
    elif reply.stream is not None:
        content = reply.stream
    elif isinstance(reply.body, bytes):
        content = reply.body
    elif reply.body is not None:
        content = msgspec.json.encode(reply.body)
    passed = reply.stream is not None
    response = flask.Response(content, status=reply.status, content_type=reply.content_type, direct_passthrough=passed)
    if isinstance(reply.stream, FileSpan):
        response.call_on_close(reply.stream.close)
    if reply.body is None and reply.stream is None:
        response.headers.pop("Content-Type", None)
    for key, value in reply.headers.items():
        response.headers[key] = value
    for name in api.request_id_headers:
        response.headers[name] = context.request_id
    if api.versions:
        response.headers["OpenStack-API-Version"] = f"{api.versions.service_type} {version}"
        response.headers.add("Vary", "OpenStack-API-Version")
        if api.versions.legacy_header:
            response.headers[api.versions.legacy_header] = str(version)
            response.headers.add("Vary", api.versions.legacy_header)
    else:
        response.headers.add("Vary", "X-Auth-Token")
    return response


def _compress(response: flask.Response) -> flask.Response:
    if response.is_streamed:
        return response
    if compression.is_worth_it(response.status_code, response.mimetype or "", response.content_length or 0):
        response.headers.add("Vary", "Accept-Encoding")
        if compression.prefers_gzip(flask.request.headers.get("Accept-Encoding", "")):
            response.set_data(compression.compress(response.get_data()))
            response.headers["Content-Encoding"] = "gzip"
    return response


def _preflight(origins: frozenset[str]) -> flask.Response | None:
    """Answers before any route, token or body is looked at: browsers send preflights without them."""
    request = flask.request
    if not origins or not cors.is_preflight(request.method, cast("Mapping[str, str]", request.headers)):
        return None
    return flask.Response(headers=cors.preflight_headers(origins, cast("Mapping[str, str]", request.headers)))


def _admit_pages(origins: frozenset[str], response: flask.Response) -> flask.Response:
    for name, value in cors.answer_headers(origins, cast("Mapping[str, str]", flask.request.headers)):
        response.headers.add(name, value)
    return response


def _healthz(services: Services) -> tuple[dict[str, Any], int]:
    """Ready when the database answers; the broker is reported, but the API works without it (sweep)."""
    problems = {}
    try:
        with services.db.read() as session:
            session.connection().exec_driver_sql("SELECT 1")
    except SQLAlchemyError as err:
        problems["database"] = type(err).__name__
    try:
        services.bus.transport.ping()
        broker = "ok"
    except CloudError as err:
        broker = err.message
    return {"status": "error" if problems else "ok", "broker": broker, **problems}, 503 if problems else 200


def _metrics() -> flask.Response:
    return flask.Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _http_exception(err: HTTPException) -> flask.Response:
    """Paths that no API has: the form of the API whose prefix they begin with, else a plain one."""
    status = err.code or 500
    message = "The resource could not be found." if status == 404 else err.description or err.name
    request_id = new_request_id()
    names: tuple[str, ...] = ("x-openstack-request-id",)
    body: Any = {"error": {"code": status, "message": message}}
    for api in sorted(all_apis(), key=lambda a: -len(a.prefix)):
        if api.prefix and flask.request.path.startswith(api.prefix):
            body, names = api.error_form(status, message, ""), api.request_id_headers
            break
    response = flask.Response(msgspec.json.encode(body), status=status, content_type="application/json")
    for name in names:
        response.headers[name] = request_id
    return response


def render_policy_sample() -> str:
    """Every action key with its built-in rule, as the operator's policy file would say it; kept in etc/."""
    rules = {route.key: route.rule.value for api in all_apis() for route in api.routes}
    return json.dumps(dict(sorted(rules.items())), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_policy_sample())
