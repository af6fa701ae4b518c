"""What our webserver adds to Dagster's UI behind the guard: pictures, and a word on partition keys (F-O3).

The UI's "Add partition" would register any text as an export. Keys are made by Forge, so a key of another
form is refused here, and the raw assets refuse one that no export stands behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from forge_core.errors import ForgeError
from forge_resources.exports import check_partition_key
from forge_resources.pictures import ROUTE, Pictures

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 8 << 20  # a GraphQL request of the UI has kilobytes


def pictures_route(home: Path) -> Route:
    """Serves the pictures of a home, by content name alone."""
    pictures = Pictures(home)

    async def picture(request: Request) -> Response:
        path = pictures.find(request.path_params["name"])
        if path is None:
            return PlainTextResponse("404 no such picture", 404)
        return FileResponse(
            path, media_type="image/png", headers={"cache-control": "private, max-age=31536000"}
        )

    return Route(f"{ROUTE}/{{name}}", picture)


class PartitionKeys:
    """ASGI middleware: a GraphQL request that registers a malformed partition key never reaches Dagster."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks = (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and scope["path"].rstrip("/").endswith("/graphql")
        )
        if not asks:
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > BODY_LIMIT:
                await PlainTextResponse("413 the request is too large", 413)(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        if b"PartitionKey" in body or b"partitionKey" in body:
            try:
                _check(json.loads(body))
            except (ForgeError, ValueError, RecursionError) as error:
                reason = str(error) if isinstance(error, ForgeError) else "the request cannot be read"
                await PlainTextResponse(f"403 {reason}", 403)(scope, receive, send)
                return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)


def _check(request: Any) -> None:
    """Every key that a request would register, as a variable or written into the document, has our form."""
    for one in request if isinstance(request, list) else [request]:
        if not isinstance(one, dict):
            raise ValueError("no GraphQL request")
        for key in _registered(str(one.get("query", "")), one.get("variables") or {}):
            check_partition_key(key)


def _registered(document: str, variables: dict[str, Any]) -> list[str]:
    from graphql import FieldNode, GraphQLError, StringValueNode, VariableNode, Visitor, parse, visit

    keys: list[str] = []

    class Find(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if node.name.value != "addDynamicPartition":
                return
            for argument in node.arguments:
                if argument.name.value == "partitionKey":
                    if isinstance(argument.value, VariableNode):
                        keys.append(str(variables.get(argument.value.name.value)))
                    elif isinstance(argument.value, StringValueNode):
                        keys.append(argument.value.value)

    try:
        visit(parse(document, no_location=True, max_tokens=20_000), Find())
    except GraphQLError as error:
        raise ValueError("no GraphQL document") from error
    return keys
