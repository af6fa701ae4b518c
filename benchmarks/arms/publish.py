"""A registered export into raw, or only into staging: ``publish URL HOME PARTITION raw|staging``.

``forge_resources.publishing.publish`` is all that an import does after the copy: parsing in two processes, staging
with all columns, identities, doubles, the primary key, the digest.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.arms import measure
from forge_core import archives, sources
from forge_resources.exports import Exports
from forge_resources.postgres import Database
from forge_resources.publishing import publish
from forge_resources.staging import Staging


def main() -> None:
    url, home, partition, until = sys.argv[1:5]
    database = Database(url)
    exports = Exports(database, Path(home))
    export = exports.get(partition)
    assert export is not None
    measure.start()
    if until == "raw":
        published = publish(database, exports, export, workers=2)
        assert published.error is None, published.error
        measure.done(sum(kind.rows for kind in published.kinds.values()))
        return
    staging, rows = Staging(database, partition, exports.options), 0
    staging.resume()
    with archives.open_archive(export.path) as archive:
        survey = sources.survey(archive)
        for part in staging.load(sources.parts(archive, survey, "me", workers=2)):
            rows += sum(sum(report.rows.values()) for report in part.reports)
    measure.done(rows)


if __name__ == "__main__":
    main()
