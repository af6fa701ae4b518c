"""How a sample of loghub is told from a person's log: its parsed twin lies beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from forge_core.sources.base import Head

_TWIN = re.compile(rb"LineId,[A-Za-z, ]{1,200},EventId,EventTemplate\r?\n")
_TEMPLATES = re.compile(rb"EventId,EventTemplate(?:,Occurrences)?\r?\n")
SUFFIX = "_structured.csv"


def is_twin(head: bytes) -> bool:
    """Whether this is the parsed copy of a log (``…_structured.csv``) or its list of templates."""
    return bool(_TWIN.match(head) or _TEMPLATES.match(head))


def with_twin(heads: Mapping[str, Head]) -> frozenset[str]:
    """The logs whose parsed copy lies beside them."""
    return frozenset(
        name.removesuffix(SUFFIX)
        for name, head in heads.items()
        if name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in heads and is_twin(head.data)
    )
