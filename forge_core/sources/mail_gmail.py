"""Gmail's mbox of a Takeout: an mbox whose messages carry their thread and labels."""

from __future__ import annotations

from forge_core.sources.base import Format
from forge_core.sources.mail_mbox import Mbox


class Gmail(Mbox):
    name = "gmail"
    system = "takeout"
    source = "gmail"
    formats = (
        Format("mail", "mbox", ("message",), "All mail Including Spam and Trash.mbox, or one per label"),
    )


READER = Gmail()
