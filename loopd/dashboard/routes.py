"""Owns the routes of the page: read only, for browsers on names that are known, without scripts of
others; must not know where it listens.
"""

from __future__ import annotations

import json
from asyncio import CancelledError
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from loopd import log
from loopd.dashboard.charts import chart_data
from loopd.dashboard.page_cache import TaggedOverview, View
from loopd.dashboard.prometheus import exposition

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"

TYPES: Mapping[str, str] = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "charts.js": "text/javascript",
    "chart_bars.js": "text/javascript",
    "chart_lines.js": "text/javascript",
    "chart_matrix.js": "text/javascript",
    "chart_parts.js": "text/javascript",
    "chart_tips.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""What lies in ``static``: nothing else is served from the disk."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer."""

EARLY = "the run is not open yet\n"


def application(view: View, allowed_hosts: Collection[str] = ()) -> ASGIApp:
    """The page as an ASGI application.

    Args:
        view: what there is to see.
        allowed_hosts: names under which it may be asked for, besides ``localhost`` and addresses.
    """
    routes = {
        "/": _page,
        "/view": _view,
        "/static/{name}": _static,
        "/api/overview": _json,
        "/healthz": _health,
        "/readyz": _ready,
        "/metrics": _metrics,
    }
    app = Starlette(routes=[_route(path, handler, view) for path, handler in routes.items()])
    return Guard(app, frozenset(name.lower() for name in allowed_hosts))


class Guard:
    """Lets in readers who ask for a known name, and gives every answer the same headers.

    A page elsewhere can make a browser ask a name of its own that leads here (DNS rebinding); it
    cannot make it ask for an address or for ``localhost`` and then read the answer.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _dressed(message["headers"])
            await send(message)

        try:
            await self._chosen(scope)(scope, receive, dressed)
        except CancelledError:
            return  # the daemon ends
        except Exception as error:  # noqa: BLE001 - Starlette has answered 500 already
            problem = f"{type(error).__name__}: {error}"
            log.get("dashboard").warning("page_failed", path=scope["path"], problem=problem)

    def _chosen(self, scope: Scope) -> ASGIApp:
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("read only\n", 405, {"allow": "GET, HEAD"})
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._is_known(hosts[0].decode("latin-1")):
            return PlainTextResponse("unknown host: see dashboard.allowed_hosts\n", 421)
        return self._app

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._names:
                return True
            ip_address(name)
        except ValueError:
            return False
        return True


def _dressed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = {name for name, _ in headers}
    added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    return [*headers, *(header for header in added if header[0] not in own)]


Handler = Callable[[Request, View], Response]


def _route(path: str, handler: Handler, view: View) -> Route:
    def endpoint(request: Request) -> Response:
        # Starlette runs it in a thread, because it is no coroutine.
        return handler(request, view)

    return Route(path, endpoint, methods=["GET"])


def _page(_request: Request, view: View) -> Response:
    return _html(view.page(view.current()))


def _view(request: Request, view: View) -> Response:
    tagged = view.current()
    if tagged is None:
        return PlainTextResponse(EARLY, 503)
    tag = _tag(tagged)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag, "cache-control": "no-cache"})
    return _html(view.fragment(tagged), etag=tag)


def _tag(tagged: TaggedOverview) -> str:
    return f'"{tagged.tag}"'


def _html(text: str, **headers: str) -> Response:
    content = text.encode("utf-8", "replace")
    headers = {"cache-control": "no-cache", **headers}
    return Response(content, headers=headers, media_type="text/html; charset=utf-8")


def _static(request: Request, _view: View) -> Response:
    name = request.path_params["name"]
    if name not in TYPES:
        return PlainTextResponse("no such file\n", 404)
    content = (STATIC / name).read_bytes()
    return Response(content, headers={"cache-control": "no-cache"}, media_type=TYPES[name])


def _json(_request: Request, view: View) -> Response:
    tagged = view.current()
    if tagged is None:
        return PlainTextResponse(EARLY, 503)
    seen = tagged.overview
    charts = {name: asdict(chart) for name, chart in chart_data(seen).items()}
    # In ASCII: half a surrogate pair, which people can type, has no other form.
    content = json.dumps(asdict(seen) | {"charts": charts})
    return Response(content, media_type="application/json")


def _health(_request: Request, view: View) -> Response:
    if view.lives():
        return PlainTextResponse("ok\n")
    return PlainTextResponse(f"no sign of life for {view.silent():.0f} s\n", 503)


def _ready(_request: Request, view: View) -> Response:
    problem = view.ready()
    return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)


def _metrics(_request: Request, view: View) -> Response:
    moment = view.moment()
    if moment is None:
        return PlainTextResponse(EARLY, 503)
    content, kind = exposition(moment)
    return Response(content, headers={"content-type": kind, "cache-control": "no-store"})
