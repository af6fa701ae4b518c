"""Security logs: system logs, the journal, CloudTrail and Google's access log; F-P7 and F-P9."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.sources import Options, reader_named
from forge_core.sources.base import MemberReport, Sink
from forge_core.sources.log_lines import line_parts, visible
from forge_core.sources.syslog import take_apart, who
from tests.core.readers import folder, read_all

CLASSIC = "Dec 10 06:55:46 host sshd[24200]: "
STAMPED = "2024-03-10T06:55:46.123456+01:00 host sshd[24200]: "
FAILED = "Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2"


def sink(**limits):
    return Sink(MemberReport("member"), "me", Options(**limits))


def security(tmp_path, content, name="auth.log", **limits):
    found = read_all(folder(tmp_path, {name: content}), options=Options(**limits))
    return found, found.rows.get("security", [])


@pytest.mark.parametrize(
    ("message", "item", "outcome", "account", "address"),
    [
        (FAILED, "sshd:login", "failure", "webmaster", "173.234.31.186"),
        ("Accepted publickey for root from 2001:db8::1 port 5 ssh2", "sshd:login", "success", "root", "2001:db8::1"),
        ("Invalid user webmaster from 173.234.31.186", "sshd:invalid-user", "failure", "webmaster", "173.234.31.186"),
        ("session opened for user root by (uid=0)", "sshd:session-open", "success", "root", None),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.0.0.7 user=ann",
            "sshd:authentication", "failure", "ann", "10.0.0.7",
        ),
        ("Connection closed by 10.0.0.7 [preauth]", "sshd:disconnect", "unknown", None, "10.0.0.7"),
        ("Server listening on 0.0.0.0 port 22.", "sshd:message", "unknown", None, None),
    ],
)  # fmt: skip
def test_what_sshd_says(tmp_path, message, item, outcome, account, address):
    _, rows = security(tmp_path, f"{STAMPED}{message}\n")

    [row] = rows
    assert (row["item"], row["outcome"], row["account"], row["address"]) == (item, outcome, account, address)
    assert row["time"].isoformat() == "2024-03-10T05:55:46.123456+00:00"
    assert (row["zone"], row["device"], row["message"]) == ("+01:00", "host", STAMPED + message)


def test_sudo_tells_who_ran_what(tmp_path):
    line = (
        "2024-03-10T06:55:46Z host sudo:     ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/ls\n"
    )

    [row] = security(tmp_path, line)[1]

    assert (row["item"], row["outcome"], row["account"]) == ("sudo:command", "success", "ann")


@pytest.mark.parametrize(
    "line",
    [
        f"<86>1 2024-03-10T05:55:46.000Z host sshd 24200 - - {FAILED}",
        f'<86>1 2024-03-10T05:55:46.000Z host sshd 24200 - [a@1 b="c\\]d"] \ufeff{FAILED}',
        f"2024-03-10T06:55:46+0100 host sshd-session[24200]: {FAILED}",
        f"2024-03-10T05:55:46+00:00 host /usr/sbin/sshd[24200]: {FAILED}",
    ],
)
def test_the_same_login_is_the_same_event_in_any_layout(tmp_path, line):
    found, _ = security(tmp_path, line + "\n")
    journal = {
        "__REALTIME_TIMESTAMP": "1710050146000000",
        "SYSLOG_IDENTIFIER": "sshd",
        "_HOSTNAME": "host",
        "MESSAGE": FAILED,
    }
    other = read_all(folder(tmp_path / "other", {"journal.json": json.dumps(journal) + "\n"}))

    assert found.ids() == other.ids() != set()


def test_F_P9_a_log_line_without_year_has_an_unknown_time_and_keeps_its_place(tmp_path):
    _, rows = security(tmp_path, f"{CLASSIC}{FAILED}\n" * 3)

    assert [(row["time"], row["time_flag"], row["sequence"]) for row in rows] == [
        (None, "unknown", number) for number in range(3)
    ]


def test_F_P9_a_year_that_is_told_goes_on_over_new_year_and_in_every_part(tmp_path):
    lines = [
        f"{day} 12:00:0{second} host sshd[1]: {FAILED}\n"
        for day in ("Nov 30", "Dec 31", "Jan  1", "Dec 30", "Jan 20", "Aug  1", "Dec  1", "Feb 29", "Feb 30")
        for second in range(9)
    ]

    found, rows = security(tmp_path, "".join(lines), log_year=2021, part_bytes=200)

    assert {row["time"].strftime("%Y-%m-%d") for row in rows} == {
        "2021-11-30", "2021-12-31", "2022-01-01", "2021-12-30", "2022-01-20", "2022-08-01", "2022-12-01",
    }  # fmt: skip
    assert found.quarantined == {"unknown date": 18}
    assert {row["time_flag"] for row in rows} == {"no_zone"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\rb", r"a\rb"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("abc\u202egpj.exe", r"abc\u202egpj.exe"),
        ('{"event": "login", "outcome": "success"}', '{"event": "login", "outcome": "success"}'),
        ("zero\u200bwidth\u2028line\x85end", r"zero\u200bwidth\u2028line\x85end"),
    ],
)
def test_F_P7_one_event_per_line_and_nothing_unseen_in_it(tmp_path, raw, shown):
    found, rows = security(tmp_path, f"{STAMPED}{raw}\r\n{STAMPED}{FAILED}\r\n")

    assert [row["message"] for row in rows] == [STAMPED + shown, STAMPED + FAILED]
    assert rows[0]["item"] == "sshd:message"
    assert not found.quarantined


def test_F_P7_an_injected_line_is_no_event(tmp_path):
    found, rows = security(
        tmp_path, f"{STAMPED}user\nAccepted password for root from 1.2.3.4 port 5\n{STAMPED}x\n"
    )

    assert [row["item"] for row in rows] == ["sshd:message"] * 2
    assert found.quarantined == {"malformed": 1}


def test_F_P7_a_line_of_10_MB_is_set_aside_and_its_neighbours_are_read(tmp_path):
    found, rows = security(tmp_path, f"{STAMPED}{FAILED}\n{STAMPED}{'a' * 10_000_000}\n{STAMPED}{FAILED}\n")

    assert len(rows) == 2
    assert found.quarantined == {"too long": 1}


def test_F_P7_the_address_is_the_one_the_server_wrote_not_one_in_a_user_name():
    message = (
        "Failed password for invalid user root from 9.9.9.9 port 1 ssh2 from 173.234.31.186 port 38926 ssh2"
    )

    assert who("sshd", "login", message)[1] == "173.234.31.186"


def test_a_journal_with_bytes_and_lists_and_a_broken_line(tmp_path):
    entry = {"__REALTIME_TIMESTAMP": "1710050146000000", "_COMM": "sshd"}
    lines = [
        {**entry, "MESSAGE": list(FAILED.encode())},
        {**entry, "MESSAGE": ["first", FAILED], "SYSLOG_IDENTIFIER": ["a", "sshd"]},
        {**entry, "MESSAGE": None},
        {**entry, "MESSAGE": "\x1b[31m", "__REALTIME_TIMESTAMP": "yesterday"},
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n{"__REALTIME_TIMESTAMP": "17100\n'

    found, rows = security(tmp_path, text, name="journal.json")

    assert [(row["item"], row["account"]) for row in rows] == [("sshd:login", "webmaster")] * 2
    assert found.quarantined == {"unknown date": 1, "malformed": 1}
    assert found.passed_over == {"no message": 1}


def test_short_iso_notes_are_no_events(tmp_path):
    text = (
        "-- Logs begin at Mon 2024-03-04 08:00:00 CET, end at Mon 2024-03-11 08:00:00 CET. --\n"
        f"2024-03-10T06:55:46+0100 host sshd[1]: {FAILED}\n-- Reboot --\n"
    )

    found, rows = security(tmp_path, text)

    assert len(rows) == 1
    assert found.passed_over == {"no event": 2}


def test_apache_error_log(tmp_path):
    text = (
        "[Wed Oct 11 14:32:52.123456 2023] [core:error] [pid 1:tid 2] [client 10.0.0.7:41234] AH00126: Invalid URI\n"
        "[Sun Dec 04 04:47:44 2022] [notice] workerEnv.init() ok\n"
    )

    _, rows = security(tmp_path, text, name="error.log")

    assert [(r["item"], r["outcome"], r["address"], r["time_flag"]) for r in rows] == [
        ("apache:error", "failure", "10.0.0.7", "no_zone"),
        ("apache:notice", "unknown", None, "no_zone"),
    ]


def call(**changes):
    return {
        "eventVersion": "1.08",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann", "userName": "ann"},
        "eventTime": "2024-03-10T05:55:46Z",
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "Mozilla/5.0",
        "responseElements": {"ConsoleLogin": "Success"},
    } | changes


def test_cloudtrail(tmp_path):
    calls = [
        call(),
        call(responseElements={"ConsoleLogin": "Failure"}),
        call(eventSource="s3.amazonaws.com", eventName="GetObject", errorCode="Denied", sourceIPAddress="aws"),
        call(eventTime="yesterday"),
        call(eventName=None),
        call(userAgent=7),
    ]  # fmt: skip

    found, rows = security(tmp_path, json.dumps({"Records": calls}), name="trail.json")

    assert [(r["item"], r["outcome"], r["address"], r["account"]) for r in rows] == [
        ("signin:ConsoleLogin", "success", "192.0.2.1", "arn:aws:iam::123456789012:user/ann"),
        ("signin:ConsoleLogin", "failure", "192.0.2.1", "arn:aws:iam::123456789012:user/ann"),
        ("s3:GetObject", "failure", None, "arn:aws:iam::123456789012:user/ann"),
    ]
    assert json.loads(rows[0]["message"]) == calls[0]
    assert found.quarantined == {"unknown date": 1, "no item": 1, "wrong type": 1}


def test_a_cloudtrail_service_that_begins_with_a_colon_does_not_empty_the_namespace(tmp_path):
    """Found by fuzzing."""
    calls = [call(eventSource=":user"), call(eventSource=":"), call(eventSource=".amazonaws.com")]

    found, rows = security(tmp_path, json.dumps({"Records": [*calls, call()]}), name="trail.json")

    assert [r["item"] for r in rows] == ["user:ConsoleLogin", "signin:ConsoleLogin"]
    assert found.quarantined == {"no item": 2}


OLD = (
    "Gaia ID,Activity Timestamp,IP Address,Proxied Host IP Address,Is Non-routable IP Address,Activity Country,"
    "Activity Region,Activity City,User Agent String,Product Name,Sub-Product Name,Activity Type,Gmail Access Channel"
)
NEW = OLD.replace(",Activity Type", ",Referer Product Name,Referer Sub-Product Name,Activity Type") + (
    ",Android Webview Package Name"
)
AGENT = '"App : YOUTUBE_APP. App Version : 21.10.2. Os : IOS_OS."'
OLD_ROW = (
    f"123456789012,2026-03-11 02:49:39 UTC,192.0.2.1,,False,DE,Bayern,,{AGENT},Gmail,,Non User Initiated,"
)
NEW_ROW = (
    f"123456789012,2026-03-11 02:49:39 UTC,192.0.2.1,,False,DE,Bayern,,{AGENT},Gmail,,,,Non User Initiated,,"
)


def foreign(header):
    """The header in a language nobody knows."""
    return ",".join(f"Spalte {number}" for number, _ in enumerate(header.split(","), 1))


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("Activities - A list of Google services accessed by.csv", OLD, OLD_ROW),
        ("Activities - A list of Google services accessed by.csv", NEW, NEW_ROW),
        ("Aktivitäten - eine Liste der Google-Dienste, auf d.csv", foreign(OLD), OLD_ROW),
        ("アクティビティ.csv", foreign(NEW), NEW_ROW),
    ],
)
def test_F_A8_google_access_log_in_old_new_and_foreign_layouts(tmp_path, name, header, row):
    _, rows = security(tmp_path, f"{header}\n{row}\n", name=name)

    [found] = rows
    assert (found["item"], found["action"], found["outcome"]) == (
        "google:gmail",
        "Non User Initiated",
        "success",
    )
    assert (found["address"], found["country"], found["account"]) == ("192.0.2.1", "DE", "123456789012")
    assert found["device"].startswith("App : YOUTUBE_APP")
    assert found["time"].isoformat() == "2026-03-11T02:49:39+00:00"
    assert found["message"] == row


def test_google_access_log_sets_broken_rows_aside(tmp_path):
    rows = [
        OLD_ROW,
        OLD_ROW.replace("2026-03-11 02:49:39 UTC", "11. März 2026"),
        OLD_ROW.replace("Gmail", ""),
        OLD_ROW + ",one,more",
    ]

    found, events = security(tmp_path, "\r\n".join([OLD, *rows]), name="a.csv")

    assert len(events) == 1
    assert found.quarantined == {"unknown date": 1, "no item": 1, "malformed": 1}


def test_google_devices_old_and_new(tmp_path):
    old = (
        "Gaia ID,Device Type,Brand Name,Marketing Name,OS,OS Version,Device Model,User Given Name,Last Location\n"
        "123456789012,Mobile,Google,Pixel 6,Android,14,oriole,,"
        '"Country ISO: DE . Last Activity Time: 2026-03-11 02:49:39 UTC."\n'
    )
    new = (
        f"{foreign('a,b,c,d,e,f,g,h,i,j,k')}\n"
        "123456789012,Mobile,Google,Pixel 6,Android,14,oriole,,DE,2025-03-11 02:49:39 UTC,2026-03-11 02:49:39 UTC\n"
    )

    found = read_all(folder(tmp_path, {"old.csv": old, "new.csv": new}))

    rows = {(r["member"], r["item"]): r for r in found.rows["security"]}
    assert len(rows) == 3
    for member in ("old.csv", "new.csv"):
        last = rows[member, "google:device-last-seen"]
        assert (last["country"], last["device"]) == ("DE", "Mobile Google Pixel 6 Android 14 oriole")
        assert last["time"].isoformat() == "2026-03-11T02:49:39+00:00"
    assert rows["new.csv", "google:device-first-seen"]["time"].year == 2025
    assert found.ids("old.csv") < found.ids("new.csv")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40))
def test_lines_cut_anywhere_are_all_there(text, size):
    into = sink(part_bytes=size)

    assert b"".join(line_parts(io.BytesIO(b"x" + text), into)) == b"x" + text or text[:3].count(0)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["auth_log", "journald", "cloudtrail", "google_access_log"]), st.binary(max_size=600))
def test_any_bytes_are_rows_or_a_reason(name, noise):
    reader: Any = reader_named(name)
    seed = {
        "auth_log": STAMPED + FAILED + "\n",
        "journald": '{"__REALTIME_TIMESTAMP":"1710050146000000","MESSAGE":"x"}\n',
        "cloudtrail": json.dumps({"Records": [call()]})[:-2] + ",",
        "google_access_log": f"{OLD}\n{OLD_ROW}\n",
    }[name]
    into = sink(part_bytes=256)

    for part in reader.split(io.BytesIO(seed.encode() + noise), into):
        for batch in reader.parse(part, into):
            batch.rows.validate(full=True)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_visible_and_any_line_is_taken_apart_or_not(text):
    shown = visible(text)

    assert visible(shown) == shown
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    take_apart(CLASSIC + text)
