"""The records of Signal's layouts, as far as they are read, and who is who in its plaintext export."""

from __future__ import annotations

import msgspec

NAMES_MAX = 200_000  # people and chats of one export


class Named(msgspec.Struct, gc=False):
    name: str | None = None


class Exported(msgspec.Struct, gc=False):
    """A line of signal-export."""

    date: str = ""
    sender: str | None = None
    body: str = ""
    attachments: list[Named] = []
    deleted: bool = False
    call: bool = False


class File(msgspec.Struct, gc=False):
    contentType: str | None = None
    filename: str | None = None
    size: int | None = None


class GroupInfo(msgspec.Struct, gc=False):
    groupId: str | None = None
    groupName: str | None = None


class Sent(msgspec.Struct, gc=False):
    """What signal-cli calls a data message; the destination where it was sent from another device."""

    timestamp: int | None = None
    message: str | None = None
    groupInfo: GroupInfo | None = None
    attachments: list[File] | None = None
    destination: str | None = None
    destinationNumber: str | None = None
    destinationUuid: str | None = None


class Sync(msgspec.Struct, gc=False):
    sentMessage: Sent | None = None


class Letter(msgspec.Struct, gc=False):
    source: str | None = None
    sourceNumber: str | None = None
    sourceUuid: str | None = None
    timestamp: int | None = None
    dataMessage: Sent | None = None
    syncMessage: Sync | None = None


class Params(msgspec.Struct, gc=False):
    account: str | None = None
    envelope: Letter | None = None


class Envelope(msgspec.Struct, gc=False):
    """A line of signal-cli; as a JSON-RPC notification it stands under ``params``."""

    account: str | None = None
    envelope: Letter | None = None
    params: Params | None = None


class Text(msgspec.Struct, gc=False):
    body: str | None = None


class Pointer(msgspec.Struct, gc=False):
    contentType: str | None = None
    fileName: str | None = None


class Attached(msgspec.Struct, gc=False):
    pointer: Pointer | None = None


class Standard(msgspec.Struct, gc=False):
    text: Text | None = None
    attachments: list[Attached] = []


class ChatItem(msgspec.Struct, gc=False):
    chatId: str | int | None = None
    authorId: str | int | None = None
    dateSent: str | int | None = None
    standardMessage: Standard | None = None


class Contact(msgspec.Struct, gc=False):
    aci: str | None = None
    e164: str | int | None = None
    systemGivenName: str | None = None
    systemFamilyName: str | None = None
    profileGivenName: str | None = None
    profileFamilyName: str | None = None


class Title(msgspec.Struct, gc=False):
    title: str | None = None


class Snapshot(msgspec.Struct, gc=False):
    title: str | Title | None = None


class Group(msgspec.Struct, gc=False):
    masterKey: str | None = None
    snapshot: Snapshot | None = None


class Recipient(msgspec.Struct, gc=False):
    id: str | int | None = None
    contact: Contact | None = None
    group: Group | None = None
    self: dict[str, msgspec.Raw] | None = None


class Chat(msgspec.Struct, gc=False):
    id: str | int | None = None
    recipientId: str | int | None = None


class Frame(msgspec.Struct, gc=False):
    """A line of the app's own export."""

    chatItem: ChatItem | None = None
    recipient: Recipient | None = None
    chat: Chat | None = None


class Person(msgspec.Struct, gc=False):
    """Whom a message is from or to; ``id`` is the same in every export, as a record's number is not."""

    id: str | None = None
    name: str | None = None
    number: str | None = None


class Lookup(msgspec.Struct):
    """Who is who, by the numbers of records; ``folder`` tells the chats of signal-export apart."""

    people: dict[str, Person] = {}
    chats: dict[str, str] = {}
    folder: str = ""

    def learn(self, record: bytes) -> bool:
        """Take note of a person, a group or a chat; whether the record is one."""
        if not record.startswith((b'{"recipient"', b'{"chat"')) or len(self.people) > NAMES_MAX:
            return False
        try:
            frame = msgspec.json.decode(record, type=Frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if frame.chat is not None and len(self.chats) <= NAMES_MAX:
            self.chats[str(frame.chat.id)] = str(frame.chat.recipientId)
        if (who := frame.recipient) is not None:
            self.people[str(who.id)] = _person(who)
        return True


def _person(who: Recipient) -> Person:
    if contact := who.contact:
        given = contact.systemGivenName or contact.profileGivenName
        family = contact.systemFamilyName if contact.systemGivenName else contact.profileFamilyName
        number = None if contact.e164 is None else f"+{str(contact.e164).lstrip('+')}"
        return Person(contact.aci or number, " ".join(filter(None, (given, family))) or None, number)
    if group := who.group:
        title = group.snapshot.title if group.snapshot else None
        return Person(group.masterKey, title.title if isinstance(title, Title) else title)
    return Person("self", "Me") if who.self is not None else Person()
