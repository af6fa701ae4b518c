"""From claimed members to rows, part by part: in this process, or on all cores for an export of some size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from forge_core.archives import Archive, Member, MemberError
from forge_core.sources.base import Batch, Context, MemberReader, MemberReport, ReadReport, Sink, SplitReader
from forge_core.sources.options import DEFAULTS, MiB, Options
from forge_core.sources.survey import Survey
from forge_core.sources.work import REST, Part, Work, collected, do, frugal, shielded
from forge_core.sources.workers import Workers

PARALLEL_FROM = 64 * MiB  # bytes of claimed members; below, starting processes takes longer than reading
WHOLE_MAX = 64 * MiB  # a longer member that cannot be split is read as a stream, here


Done = Callable[[tuple[str, int]], bool]


def parts(
    archive: Archive,
    survey: Survey,
    subject: str | None = None,
    options: Options = DEFAULTS,
    done: Done = lambda key: False,
    workers: int = 0,
) -> Iterator[Part]:
    """All parts of what the survey claimed, but those that are ``done``; in any order with workers.

    Rows belong to ``subject``, else to whom the survey named; public cohorts bring their own subjects.
    """
    whom = subject or survey.subject
    work = _work(archive, survey, whom, options, done)
    size = {member.name: member.size for member in archive.members}
    total = sum(size[name] for claim in survey.claims for name in claim.members)
    frugal()
    if workers > 1 and total >= PARALLEL_FROM:
        with Workers(workers, options) as crew:
            yield from crew.map(work)
    else:
        yield from (_here(one, options) if isinstance(one, Work) else one for one in work)


def read(
    archive: Archive,
    survey: Survey,
    subject: str | None = None,
    report: ReadReport | None = None,
    options: Options = DEFAULTS,
    workers: int = 0,
) -> Iterator[Batch]:
    """The rows of all members that a reader claimed, in batches; what became of each is in ``report``."""
    report = report if report is not None else ReadReport()
    begin(report, survey)
    for part in parts(archive, survey, subject, options, workers=workers):
        yield from part.batches
        report.add(part.reports)
    settle(report, survey)


def begin(report: ReadReport, survey: Survey) -> None:
    """Members that no reader takes, with the reason."""
    for status, members in (("skipped", survey.skipped), ("quarantined", survey.quarantined)):
        for name, reason in members:
            member = report.member(name)
            member.status, member.reason = status, reason


def settle(report: ReadReport, survey: Survey) -> None:
    """A member of which nothing could be read is set aside as a whole."""
    from forge_core.sources import reader_named

    for claim in survey.claims:
        if isinstance(reader_named(claim.reader), MemberReader):
            for name in claim.members:
                member = report.member(name, claim.reader)
                if member.status == "imported" and not member.rows and member.quarantined:
                    member.status, member.reason = "quarantined", "no record in it could be read"


def _work(
    archive: Archive, survey: Survey, subject: str, options: Options, done: Done
) -> Iterator[Part | Work]:
    """What there is to do, in the order of the archive."""
    from forge_core.sources import reader_named

    by_name = {member.name: member for member in archive.members}
    alone: list[tuple[Member, MemberReader]] = []
    for claim in survey.claims:
        reader = reader_named(claim.reader)
        members = [by_name[name] for name in claim.members]
        if isinstance(reader, MemberReader) and type(reader).read is MemberReader.read:
            alone += [(member, reader) for member in members]
        elif not done((members[0].name, 0)):
            report = ReadReport()
            batches = collected(reader.read(archive, members, Context(subject, report, options)))
            size = sum(member.size for member in members)
            yield _Together(claim.reader, members[0].name, 0, size, batches, report).part()
    order = {member.name: place for place, member in enumerate(archive.members)}
    for member, reader in sorted(alone, key=lambda pair: order[pair[0].name]):
        if isinstance(reader, SplitReader):
            yield from _pieces(archive, member, reader, subject, options, done)
        elif not done((member.name, 0)):
            if member.size > WHOLE_MAX:
                yield _stream(archive, member, reader, subject, options)
                continue
            try:
                with archive.open(member) as stream:
                    data = stream.read()
            except MemberError as error:
                yield Part(reader.name, member.name, 0, member.size, (), [_damaged(member, reader, error)])
            else:
                yield Work(reader.name, type(reader).__module__, member.name, 0, True, subject, data)


def _pieces(
    archive: Archive, member: Member, reader: SplitReader, subject: str, options: Options, done: Done
) -> Iterator[Part | Work]:
    report = MemberReport(member.name, reader.name)
    number = 0
    try:
        with archive.open(member) as stream:
            for number, piece in enumerate(reader.split(stream, Sink(report, subject, options))):
                if not done((member.name, number)):
                    yield Work(
                        reader.name, type(reader).__module__, member.name, number, False, subject, piece
                    )
    except MemberError as error:
        report = _damaged(member, reader, error)
    yield Part(reader.name, member.name, REST, 0, (), [report])


def _stream(archive: Archive, member: Member, reader: MemberReader, subject: str, options: Options) -> Part:
    report = MemberReport(member.name, reader.name)
    batches = collected(
        shielded(report, lambda: reader.rows(archive, member, Sink(report, subject, options)))
    )
    return Part(reader.name, member.name, 0, member.size, batches, [report])


def _here(work: Work, options: Options) -> Part:
    """Do the work in this process, when its batches are asked for."""
    report = MemberReport(work.member, work.reader)
    batches = collected(do(work, report, options))
    return Part(work.reader, work.member, work.number, len(work.data), batches, [report])


@dataclass
class _Together:
    """A part of several members, whose reports come to be while it is read."""

    reader: str
    member: str
    number: int
    bytes: int
    batches: Iterator[Batch]
    report: ReadReport

    def part(self) -> Part:
        reports: list[MemberReport] = []

        def batches() -> Iterator[Batch]:
            yield from self.batches
            reports.extend(self.report.members.values())

        return Part(self.reader, self.member, self.number, self.bytes, batches(), reports)


def _damaged(member: Member, reader: MemberReader, error: MemberError) -> MemberReport:
    return MemberReport(member.name, reader.name, "quarantined", f"{error.code}: {error.what}")
