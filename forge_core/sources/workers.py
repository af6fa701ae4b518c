"""Processes that parse parts of an export beside each other, and are ended when one hangs.

A worker is ``python -m forge_core.sources.workers``: it imports readers and nothing of Dagster, finds the bytes of
a part in a box and puts Arrow into the same box. It reads what strangers wrote: nothing it answers is unpickled.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

import msgspec

from forge_core.sources.base import Batch, MemberReport
from forge_core.sources.child import start
from forge_core.sources.options import Options
from forge_core.sources.shared import Box
from forge_core.sources.work import Part, Work, do, frugal

AHEAD = 2  # parts that wait at each worker, so that it never waits for us
LABEL = "label__"
COLLECT_AFTER = 32  # parts; rows hold no cycles, looking for them takes as long as a tenth of a part
START_SECONDS = 60.0  # a worker may take to import readers on a busy machine


class Task(msgspec.Struct):
    """What a worker is told; the bytes are in its box."""

    box: int
    size: int
    reader: str
    module: str
    member: str
    number: int
    whole: bool
    subject: str


class Answer(msgspec.Struct):
    """Kind and source of each batch, its size in the box, and the report."""

    batches: list[tuple[str, str]]
    sizes: list[int]
    report: dict[str, Any]


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    boxes: list[Box]
    at_work: list[tuple[Work, int]] = field(default_factory=list)  # with the number of the box
    since: float = 0.0
    ready: bool = False  # it has imported what it needs


class Workers:
    """``count`` processes; ``map`` has them do all work that can be handed out."""

    def __init__(self, count: int, options: Options) -> None:
        self.count, self.options = count, options
        self._workers: list[_Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            self._end(worker)

    def map(self, work: Iterable[Part | Work]) -> Iterator[Part]:
        """Parts as they are done; what is no ``Work`` passes through."""
        for one in work:
            if isinstance(one, Part):
                yield one
                continue
            while (worker := self._free()) is None:
                yield from self._answers()
            self._hand(worker, one)
        while any(worker.at_work for worker in self._workers):
            yield from self._answers()

    def _free(self) -> _Worker | None:
        if len(self._workers) < self.count and all(worker.at_work for worker in self._workers):
            self._workers.append(self._start())
        worker = min(self._workers, key=lambda worker: len(worker.at_work))
        return worker if len(worker.at_work) < AHEAD else None

    def _start(self) -> _Worker:
        boxes = [Box.create() for _ in range(AHEAD)]
        fds = [box.fd for box in boxes]
        process, connection = start(__name__, *map(str, fds), seconds=self.options.part_seconds, pass_fds=fds)
        connection.send_bytes(msgspec.json.encode(self.options))
        return _Worker(process, connection, boxes)

    def _hand(self, worker: _Worker, work: Work) -> None:
        if not worker.at_work:
            worker.since = time.monotonic()
        taken = {number for _, number in worker.at_work}
        box = next(number for number in range(AHEAD) if number not in taken)
        worker.at_work.append((work, box))
        [size] = worker.boxes[box].put([work.data])
        task = Task(box, size, work.reader, work.module, work.member, work.number, work.whole, work.subject)
        with suppress(OSError):  # it has died: noticed where its answer is awaited
            worker.connection.send_bytes(msgspec.json.encode(task))

    def _answers(self) -> Iterator[Part]:
        """The parts that are done now, after waiting for the first; those lost with a worker too."""
        busy = {worker.connection: worker for worker in self._workers if worker.at_work}
        patience = min(map(self._deadline, busy.values())) - time.monotonic()
        ready = wait(list(busy), timeout=max(0.0, patience))
        for connection in ready:
            worker = busy[connection]  # type: ignore[index]
            try:
                if not worker.ready:
                    connection.recv_bytes()  # type: ignore[union-attr]
                    worker.ready, worker.since = True, time.monotonic()
                    continue
                yield self._receive(worker)
            except (EOFError, OSError):
                yield self._lost(worker, "a part broke the reader")
        if not ready:
            late = min(busy.values(), key=self._deadline)
            yield self._lost(late, "a part took too long")

    def _deadline(self, worker: _Worker) -> float:
        return worker.since + (self.options.part_seconds if worker.ready else START_SECONDS)

    def _receive(self, worker: _Worker) -> Part:
        import pyarrow as pa

        answer = msgspec.json.decode(worker.connection.recv_bytes(), type=Answer)
        work, box = worker.at_work[0]
        batches = []
        for (kind, source), data in zip(answer.batches, worker.boxes[box].take(answer.sizes), strict=True):
            rows = pa.ipc.open_stream(pa.py_buffer(data)).read_next_batch()
            labels = None
            if rows.schema.names[-1] == LABEL:
                labels = rows.column(LABEL)
                rows = rows.select(rows.schema.names[:-1])
            batches.append(Batch(kind, source, answer.report["member"], rows, labels))
        worker.at_work.pop(0)
        worker.since = time.monotonic()
        report = MemberReport.of(answer.report)
        return Part(work.reader, work.member, work.number, len(work.data), batches, [report])

    def _lost(self, worker: _Worker, reason: str) -> Part:
        """End a worker; what it was at is set aside, what waited there is done by the next one."""
        self._end(worker)
        self._workers.remove(worker)
        (work, _), *waiting = worker.at_work
        report = MemberReport(work.member, work.reader)
        if work.whole:
            report.status, report.reason = "quarantined", f"FORGE-READER-LOST: {reason}."
        else:
            report.quarantined[reason] += 1
        for one, _ in waiting:
            fresh = self._start()
            self._workers.append(fresh)
            self._hand(fresh, one)
        return Part(work.reader, work.member, work.number, len(work.data), (), [report])

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.connection.close()
        worker.process.kill()
        worker.process.wait()
        for box in worker.boxes:
            box.close()


def serve(connection: Connection, boxes: list[Box]) -> None:
    """The life of a worker: do what is handed over until the other end closes."""
    import gc

    import numpy  # noqa: F401
    import pyarrow.compute  # noqa: F401

    frugal()

    gc.disable()
    options = msgspec.json.decode(connection.recv_bytes(), type=Options)
    gc.collect()
    gc.freeze()  # what was imported stays: collecting looks at nothing of it
    connection.send_bytes(b"ready")
    for done in count(1):
        try:
            task = msgspec.json.decode(connection.recv_bytes(), type=Task)
        except EOFError:
            return
        [data] = boxes[task.box].take([task.size])
        report = MemberReport(task.member, task.reader)
        work = Work(task.reader, task.module, task.member, task.number, task.whole, task.subject, data)
        batches = list(do(work, report, options))
        sizes = boxes[task.box].put(map(_stream, batches))
        answer = Answer([(batch.kind, batch.source) for batch in batches], sizes, report.as_dict())
        connection.send_bytes(msgspec.json.encode(answer))
        del data, work, batches
        if done % COLLECT_AFTER == 0:
            gc.collect()


def _stream(batch: Batch) -> Any:
    """A batch as an Arrow IPC stream."""
    import pyarrow as pa

    rows = batch.rows if batch.labels is None else batch.rows.append_column(LABEL, batch.labels)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    return sink.getvalue()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), [Box(int(fd)) for fd in sys.argv[2:]])
