"""google_takeout_parser on one file: ``takeout_parser PATH html|json|locations``. Its JSON goes through orjson."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.arms import measure

path, layout = Path(sys.argv[1]), sys.argv[2]
if layout == "html":
    from google_takeout_parser.parse_html.activity import _parse_html_activity as parse
elif layout == "json":
    from google_takeout_parser.parse_json import _parse_json_activity as parse
else:
    from google_takeout_parser.parse_json import _parse_location_history as parse
rows = errors = 0
for found in parse(path):
    if isinstance(found, Exception):
        errors += 1
    else:
        rows += 1
measure.done(rows, errors=errors)
