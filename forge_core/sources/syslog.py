"""Lines of system logs: who logged, when, and what a message says of logins and accounts.

Layouts: classic syslog (no year, no zone), ISO-stamped syslog as rsyslog and ``journalctl -o short-iso`` write
it, RFC 5424. The words that attackers choose (user names) stand inside messages: address and account are
taken from where the program puts them, counted from the end.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from forge_core.events import TimeFlag
from forge_core.sources.base import Sink
from forge_core.sources.log_lines import visible
from forge_core.times import SECOND, UNKNOWN, Moment, parse_iso, plausible

LOOKED_AT = 4096  # characters of a message that are judged: no program writes more of a login
MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
MONTHS = {name: number for number, name in enumerate(MONTH.split("|"), 1)}
CLASSIC = re.compile(
    rf"(?:<\d{{1,3}}>)?({MONTH}) ([ 0-3]?\d) (?:(\d{{4}}) )?(\d\d):(\d\d):(\d\d)(?:\.\d{{1,9}})? "
    r"(\S{1,255}) (.*)",
    re.S,
)  # fmt: skip
ISO = re.compile(
    r"(?:<\d{1,3}>)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) (\S{1,255}) (.*)",
    re.S,
)
RFC5424 = re.compile(
    r"<\d{1,3}>1 (\S{1,40}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) "
    r"(?:-|(?:\[[^\]\\]*(?:\\.[^\]\\]*)*\])+)(?: (.*))?\Z",
    re.S,
)
_TAG = re.compile(r"\s*(?:-- )?([A-Za-z0-9_./@()+-]{1,64})\]?(?:\[\d{1,10}\])?: ?(.*)", re.S)
_VERSIONED = re.compile(r"([A-Za-z0-9_.-]{1,32}) \d[\w.]{0,15}: (.*)", re.S)  # syslogd 1.4.1: restart.
_MODULE = re.compile(r"\(.*|-(?:session|auth|listener)\Z")  # sshd(pam_unix), sshd-session

_METHODS = ("password", "publickey", "keyboard-interactive", "hostbased", "gssapi", "none")
_NOBODY = ("unknown", "authentication", "name")  # "user unknown", "user authentication"
# what a message holds -> (action, outcome); the first that matches
RULES = (
    *((f"Accepted {method}", "login", "success") for method in _METHODS),
    *((f"Failed {method}", "login", "failure") for method in _METHODS),
    ("ROOT LOGIN", "login", "success"),
    ("LOGIN ON ", "login", "success"),
    ("FAILED LOGIN", "login", "failure"),
    ("LOGIN FROM", "login", "success"),
    ("Invalid user", "invalid-user", "failure"),
    ("invalid user", "invalid-user", "failure"),
    ("user unknown", "invalid-user", "failure"),
    ("authentication failure", "authentication", "failure"),
    ("authentication failed", "authentication", "failure"),
    ("Authentication failed", "authentication", "failure"),
    ("Couldn't authenticate", "authentication", "failure"),
    ("incorrect password attempt", "authentication", "failure"),
    ("Too many authentication failures", "authentication", "failure"),
    ("maximum authentication attempts", "authentication", "failure"),
    ("ignoring max retries", "authentication", "failure"),
    ("NOT in sudoers", "command", "failure"),
    ("not in sudoers", "command", "failure"),
    ("not allowed to execute", "command", "failure"),
    ("COMMAND=", "command", "success"),
    ("session opened", "session-open", "success"),
    ("New session", "session-open", "success"),
    ("session closed", "session-close", "success"),
    ("Removed session", "session-close", "success"),
    ("logged out", "session-close", "success"),
    ("BREAK-IN ATTEMPT", "reverse-mapping", "failure"),
    ("not allowed because", "login", "failure"),
    ("refused connect", "connection", "failure"),
    ("Did not receive identification", "connection", "failure"),
    ("Bad protocol version", "connection", "failure"),
    ("Unable to negotiate", "connection", "failure"),
    ("Received disconnect", "disconnect", "unknown"),
    ("Disconnect", "disconnect", "unknown"),
    ("Connection closed", "disconnect", "unknown"),
    ("Connection reset", "disconnect", "unknown"),
    ("onnection from", "connection", "unknown"),
    ("new user", "account-created", "success"),
    ("new group", "group-created", "success"),
    ("delete user", "account-removed", "success"),
    ("password changed", "password-changed", "success"),
    ("changed password", "password-changed", "success"),
    ("to group '", "group-changed", "success"),
)
_NAMING = ("for invalid user ", "for illegal user ", "nvalid user ", "for user ", "for ", "user ")
ACCOUNT_MAX = 128  # characters
_FROM = re.compile(
    r".*(?:\bfrom|\bby|\bclient|\bwith|\brhost=)\s?\[?([0-9a-fA-F.:]{3,45})(?:%\w{1,15})?\b", re.S
)
_BRACKET = re.compile(r".*\[([0-9a-fA-F.:]{3,45})\]", re.S)
_USER = re.compile(r".*\b(?:for user|(?<!\w)user=|user) ?'?([A-Za-z0-9_][\w.@\\-]{0,63}\$?)", re.S)
_SUDO = re.compile(r"\s*([\w.@\\-]{1,64}\$?) : ")


class Line(NamedTuple):
    """A log line taken apart; ``service`` is the program without its path, module and process number."""

    at: Moment | None
    host: str | None
    service: str
    message: str


def take_apart(text: str, year: int | None = None) -> Line | None:
    """The line in any of the layouts, None where it begins like none; ``at`` is None for a date that is none.

    ``year`` is that of classic syslog lines, which have none: unknown, their time is.
    """
    if found := CLASSIC.match(text):
        month, day, own, *clock, host, rest = found.groups()
        return Line(_local(int(own) if own else year, month, int(day), clock), host, *_program(rest))
    if found := ISO.match(text):
        return Line(parse_iso(found[1]), found[2], *_program(found[3]))
    if found := RFC5424.match(text):
        at = UNKNOWN if found[1] == "-" else parse_iso(found[1])
        host, app = (None if word == "-" else word for word in found.group(2, 3))
        return Line(at, host, service(app or "syslog"), (found[6] or "").removeprefix("\ufeff"))
    return None


def _local(year: int | None, month: str, day: int, clock: list[str]) -> Moment | None:
    if year is None:
        return UNKNOWN
    hour, minute, second = map(int, clock)
    flag = TimeFlag.LEAP_SECOND if second == 60 else TimeFlag.NO_ZONE
    try:
        at = datetime(year, MONTHS[month], day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return plausible(int(at.timestamp()) * SECOND, None, flag.value)


def _program(rest: str) -> tuple[str, str]:
    if found := _TAG.match(rest):
        # login(1) names the account where others name the program
        return ("login" if rest.lstrip().startswith("-- ") else service(found[1])), found[2]
    if found := _VERSIONED.match(rest):
        return service(found[1]), found[2]
    return "syslog", rest


@lru_cache(1000)
def service(name: str) -> str:
    """``sshd`` of ``/usr/sbin/sshd``, ``sshd(pam_unix)`` and ``sshd-session``."""
    name = name.replace("\0", "").rpartition("/")[2].casefold()
    return _MODULE.sub("", name).strip(":-.") or "syslog"


@lru_cache(10_000)
def address(text: str | None) -> str | None:
    """The network address, None where it is a name or nothing."""
    if not text:
        return None
    try:
        return str(
            ip_address(text.strip("[]").partition("%")[0].rstrip(".:" if text.count(":") < 2 else "."))
        )
    except ValueError:
        return None


def judged(message: str) -> tuple[str, str]:
    """(action, outcome) of a message."""
    for words, action, outcome in RULES:
        if words in message:
            return action, outcome
    return "message", "unknown"


def who(service_name: str, action: str, message: str) -> tuple[str | None, str | None]:
    """(account, address) that a message is about."""
    if action == "message":
        return None, None
    if service_name in ("sudo", "su", "doas") and (found := _SUDO.match(message)):
        return found[1], None
    before, from_, after = message.rpartition(" from ")
    if from_ and (where := address(after.partition(" ")[0])):
        for words in _NAMING:
            if named := before.partition(words)[2]:
                return named[:ACCOUNT_MAX], where
        return None, where
    found = _USER.match(message)
    account = found[1] if found and found[1] not in _NOBODY else None
    for pattern in (_FROM, _BRACKET):
        if (found := pattern.match(message)) and (where := address(found[1])):
            return account, where
    return account, None


def add_line(sink: Sink, source: str, line: Line, position: int, raw: str, label: str | None = None) -> None:
    """The line as a security event."""
    if line.at is None:
        sink.quarantine("unknown date")
        return
    table = sink.table("security", source)
    message = line.message[:LOOKED_AT]
    action, outcome = judged(message)
    account, where = who(line.service, action, message)
    table.values.append((
        f"{line.service}:{action}", *line.at, position, action, outcome, where, None,
        line.host and visible(line.host), account and visible(account), visible(raw),
    ))  # fmt: skip
    if label is not None:
        table.labels.append(label)
