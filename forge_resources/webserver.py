"""The Dagster UI behind a guard: Dagster's own ASGI app, our middleware in front, loopback only.

    python -m forge_resources.webserver --workspace FILE --port 3000

Dagster's webserver has no login, runs mutations over GET and answers any Host. So any web page that its
owner visits could launch or wipe runs. :class:`Guard` refuses (403) what does not come from the UI itself
or from a program on this machine, before Dagster sees it.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("localhost", "127.0.0.1", "[::1]")

logger = logging.getLogger("forge.webserver")


class Guard:
    """ASGI middleware: Host allow-list, no mutation over GET, no request from another site (F-O1)."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        self.hosts = {f"{host}:{port}" for host in HOSTS} | (set(HOSTS) if port == 80 else set())
        self.origins = {f"http://{host}" for host in self.hosts}
        sockets = " ".join(f"ws://{host}" for host in sorted(self.hosts))
        # a second policy beside the page's own: browsers obey both. The UI asks nobody but us (no update
        # calls).
        policy = (
            f"frame-ancestors 'none'; form-action 'self'; base-uri 'self'; connect-src 'self' {sockets}; "
            "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'"
        )
        self.headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-frame-options", b"DENY"),
            (b"x-content-type-options", b"nosniff"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"referrer-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = self.refusal(scope)
        if reason is None:
            await self.app(scope, receive, self._with_headers(send))
        elif scope["type"] == "websocket":
            logger.warning("refused a WebSocket: %s", reason)
            await receive()  # the connect event; closing before accepting answers 403
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            logger.warning("refused a request: %s", reason)
            guarded = self._with_headers(send)
            head = {
                "type": "http.response.start",
                "status": 403,
                "headers": [(b"content-type", b"text/plain")],
            }
            await guarded(head)
            await guarded({"type": "http.response.body", "body": f"403 {reason}\n".encode()})

    def refusal(self, scope: Scope) -> str | None:
        """Why a request is refused, or None."""
        values: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
        host = values.get("host", [])
        if len(host) != 1 or host[0].lower() not in self.hosts:
            return "this Host is not served"  # a rebound DNS name leads here
        # programs send neither of the two headers; browsers send Origin with every POST and WebSocket
        if any(origin.lower() not in self.origins for origin in values.get("origin", [])):
            return "the request comes from another site"
        websocket = scope["type"] == "websocket"
        method = "WEBSOCKET" if websocket else scope["method"]
        graphql = scope["path"].rstrip("/").endswith("/graphql")
        reading = method in ("GET", "HEAD") and not graphql
        site = values.get("sec-fetch-site", ["same-origin"])
        if any(s not in ("same-origin", "none") for s in site) and not (reading and _is_link(values)):
            return "the request comes from another site"
        if websocket:
            return None
        if method == "POST":
            return None if _is_json(values) else "a POST carries application/json"
        if method not in ("GET", "HEAD"):
            return f"{method} is not served" if method.isascii() and method.isalpha() else "not served"
        queries = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if graphql and any(not only_reads(query) for query in queries.get("query", [])):
            return "a GET does not change anything"
        return None

    def _with_headers(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in self.headers if name != b"content-security-policy"}
                kept = [(n, v) for n, v in message.get("headers", []) if n.lower() not in own]
                message = {**message, "headers": [*kept, *self.headers]}
            await send(message)

        return guarded


def only_reads(query: str) -> bool:
    """True when a GraphQL document holds queries alone. What we cannot parse, Dagster might: it is refused
    too.
    """
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    try:
        document = parse(query, no_location=True, max_tokens=20_000)
    except (GraphQLError, RecursionError):
        return False
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return all(node.operation == OperationType.QUERY for node in operations)


def _is_link(values: dict[str, list[str]]) -> bool:
    """A link somebody clicked on another page: a top-level navigation that reads."""
    return values.get("sec-fetch-mode") == ["navigate"] and values.get("sec-fetch-dest") == ["document"]


def _is_json(values: dict[str, list[str]]) -> bool:
    """The media type itself: `text/plain; x=application/json` is what a plain HTML form can send."""
    kinds = values.get("content-type", [])
    return len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() == "application/json"


def guarded_app(context: Any, port: int) -> Starlette:
    """Dagster's app for a workspace process context, with the guard outermost."""
    from dagster_webserver.app import create_app_from_workspace_process_context

    from forge_resources import export_pages
    from forge_resources.settings import load_settings
    from forge_resources.ui_extras import PartitionKeys, pictures_route

    app = create_app_from_workspace_process_context(context)
    # before Dagster's catch-all page
    app.router.routes[:0] = [pictures_route(load_settings().home), *export_pages.routes()]
    app.add_middleware(PartitionKeys)
    app.add_middleware(Guard, port=port)
    return app


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m forge_resources.webserver", description=__doc__)
    parser.add_argument("--workspace", required=True, help="a Dagster workspace file")
    parser.add_argument("--port", type=int, default=3000, help="port on loopback")
    parser.add_argument("--fd", type=int, help="an inherited listening socket instead of --port")
    parser.add_argument("--wait-for", help="a unix socket (the code server's) to wait for")
    parser.add_argument("--made", type=Path, help="a file to make when Dagster's tables are there")
    options = parser.parse_args(arguments)

    listener = socket.socket(fileno=options.fd) if options.fd is not None else listen(options.port)
    if listener.getsockname()[0] != "127.0.0.1":
        parser.error("the socket is not on loopback")

    import uvicorn
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.version import __version__

    # Dagster's defaults for its webserver: statements of at most 15 s, connections renewed every hour
    with DagsterInstance.get() as instance:
        if options.made:
            options.made.touch()
        instance.optimize_for_webserver(15_000, 3600, 20)
        if options.wait_for:
            wait_for_socket(options.wait_for)
        target = WorkspaceFileTarget(paths=[options.workspace])
        with WorkspaceProcessContext(instance, workspace_load_target=target, version=__version__) as context:
            app = guarded_app(context, listener.getsockname()[1])
            config = uvicorn.Config(app, log_level="warning", proxy_headers=False, server_header=False,
                                    timeout_graceful_shutdown=3)  # fmt: skip
            uvicorn.Server(config).run(sockets=[listener])
    return 0


def wait_for_socket(path: str, timeout: float = 300.0) -> None:
    """Returns once a unix socket accepts; Dagster gives a code location up that is not there at its start."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
                return
            except OSError:
                time.sleep(0.05)
    raise TimeoutError(f"nothing answers on {path}")


if __name__ == "__main__":
    sys.exit(main())
