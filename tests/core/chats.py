"""Chats made for tests, in the layouts of Google Chat, Telegram and Signal."""

from __future__ import annotations

import json
from typing import Any

ENGLISH = "Thursday, November 3, 2016 at 11:59:50\u202fAM UTC"


def chat_message(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "creator": {"name": "Ann", "email": "ann@example.org", "user_type": "Human"},
        "created_date": ENGLISH,
        "text": f"text {number}",
        "topic_id": f"t{number}",
        "message_id": f"space1/t{number}/m{number}",
    } | changes


GROUP = {
    "name": "Walkers",
    "members": [
        {"name": "Ann", "email": "ann@example.org", "user_type": "Human"},
        {"name": "Bob", "email": "bob@example.org", "user_type": "Human"},
    ],
}
USER = {
    "user": {"name": "Ann", "email": "ann@example.org", "user_type": "Human"},
    "membership_info": [{"group_id": "Space 1", "membership_state": "MEMBER_JOINED"}],
}


def google_chat(*messages: dict[str, Any], **others: Any) -> dict[str, str]:
    return {
        "Takeout/Google Chat/Groups/Space 1/messages.json": json.dumps(
            {"messages": list(messages)}, indent=2
        ),
        "Takeout/Google Chat/Groups/Space 1/group_info.json": json.dumps(GROUP),
        "Takeout/Google Chat/Users/User 1/user_info.json": json.dumps(USER),
    } | others


def telegram_message(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": "2023-01-15T10:30:00",
        "date_unixtime": str(1673776200 + number),
        "from": "Ann",
        "from_id": "user1",
        "text": f"text {number}",
        "text_entities": [],
    } | changes


def telegram_chat(number: int, *messages: dict[str, Any], name: str | None = "Walkers") -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    return named | {"type": "private_group", "id": number, "messages": list(messages)}


def account(*chats: dict[str, Any], left: tuple[dict[str, Any], ...] = ()) -> str:
    return json.dumps(
        {
            "about": "Here is the data you requested.",
            "personal_information": {"user_id": 1, "first_name": "Ann"},
            "contacts": {
                "about": "",
                "list": [{"user_id": 3, "first_name": "Bob", "date": "2020-01-01T00:00:00"}],
            },
            "chats": {"about": "", "list": list(chats)},
            "left_chats": {"about": "", "list": list(left)},
        },
        indent=1,
        ensure_ascii=False,
    )


def frames(*bodies: str) -> str:
    head: list[dict[str, Any]] = [
        {"version": "1", "backupTimeMs": "1700000000000"},
        {"account": {"givenName": "Ann"}},
        {"recipient": {"id": "1", "self": {}}},
        {"recipient": {"id": "2", "contact": {"aci": "YWJj", "e164": "15550100", "profileGivenName": "Bob"}}},
        {"chat": {"id": "10", "recipientId": "2"}},
    ]
    items = [
        {"chatItem": {"chatId": "10", "authorId": "2", "dateSent": str(1700000000123 + number), "incoming": {},
                      "standardMessage": {"text": {"body": body}}}}
        for number, body in enumerate(bodies)
    ]  # fmt: skip
    lines = [json.dumps(line, separators=(",", ":")) for line in [*head, *items]]
    return "\n".join(lines).replace("<NL>", "\n") + "\n"
