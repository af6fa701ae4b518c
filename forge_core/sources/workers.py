"""Processes that parse parts of an export beside each other, and are ended when one hangs.

A worker is ``python -m forge_core.sources.workers``: it imports readers and nothing of Dagster, gets bytes and
gives back Arrow. It reads what strangers wrote, so nothing it answers is unpickled.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from queue import Queue
from types import TracebackType
from typing import Any

import msgspec

from forge_core.sources.base import Batch, MemberReport
from forge_core.sources.child import start
from forge_core.sources.options import Options
from forge_core.sources.reading import Part, Work, do

AHEAD = 2  # parts that wait at each worker, so that it never waits for us
LABEL = "label__"
START_SECONDS = 60.0  # a worker may take to import readers on a busy machine


class Task(msgspec.Struct):
    """What a worker is told before it gets the bytes."""

    reader: str
    member: str
    number: int
    whole: bool
    subject: str


class Answer(msgspec.Struct):
    """What comes before the batches: kind and source of each, and the report."""

    batches: list[tuple[str, str]]
    report: dict[str, Any]


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    at_work: list[Work]
    since: float = 0.0
    ready: bool = False  # it has imported what it needs
    deaf: bool = False  # it does not take what is sent


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
        process, connection = start(__name__, seconds=self.options.part_seconds)
        connection.send_bytes(msgspec.json.encode(self.options))
        return _Worker(process, connection, [])

    def _hand(self, worker: _Worker, work: Work) -> None:
        if not worker.at_work:
            worker.since = time.monotonic()
        worker.at_work.append(work)
        task = Task(work.reader, work.member, work.number, work.whole, work.subject)
        try:
            worker.connection.send_bytes(msgspec.json.encode(task))
            worker.connection.send_bytes(work.data)
        except BlockingIOError:
            worker.deaf = True
        except OSError:
            return  # it has died: noticed where its answer is awaited

    def _answers(self) -> Iterator[Part]:
        """The parts that are done now, after waiting for the first; those lost with a worker too."""
        for deaf in [worker for worker in self._workers if worker.deaf]:
            yield self._lost(deaf, "a part took too long")
        busy = {worker.connection: worker for worker in self._workers if worker.at_work}
        patience = (
            min(worker.since for worker in busy.values()) + self.options.part_seconds - time.monotonic()
        )
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
        batches = []
        for kind, source in answer.batches:
            rows = pa.ipc.open_stream(pa.py_buffer(worker.connection.recv_bytes())).read_next_batch()
            labels = None
            if rows.schema.names[-1] == LABEL:
                labels = rows.column(LABEL)
                rows = rows.select(rows.schema.names[:-1])
            batches.append(Batch(kind, source, answer.report["member"], rows, labels))
        work = worker.at_work.pop(0)
        worker.since = time.monotonic()
        report = MemberReport.of(answer.report)
        return Part(work.reader, work.member, work.number, len(work.data), batches, [report])

    def _lost(self, worker: _Worker, reason: str) -> Part:
        """End a worker; what it was at is set aside, what waited there is done by the next one."""
        self._end(worker)
        self._workers.remove(worker)
        work, *waiting = worker.at_work
        report = MemberReport(work.member, work.reader)
        if work.whole:
            report.status, report.reason = "quarantined", f"FORGE-READER-LOST: {reason}."
        else:
            report.quarantined[reason] += 1
        for one in waiting:
            fresh = self._start()
            self._workers.append(fresh)
            self._hand(fresh, one)
        return Part(work.reader, work.member, work.number, len(work.data), (), [report])

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.connection.close()
        worker.process.kill()
        worker.process.wait()


def serve(connection: Connection) -> None:
    """The life of a worker: do what is handed over until the other end closes."""
    import gc

    import pyarrow as pa

    from forge_core.sources import readers

    gc.disable()
    options = msgspec.json.decode(connection.recv_bytes(), type=Options)
    readers()
    gc.collect()
    gc.freeze()  # what was imported stays: collecting looks at nothing of it
    connection.send_bytes(b"ready")
    waiting: Queue[tuple[bytes, bytes] | None] = Queue()
    # a thread takes what is sent: else both ends could wait to be listened to
    threading.Thread(target=_listen, args=(connection, waiting), daemon=True).start()
    while (handed := waiting.get()) is not None:
        task, data = msgspec.json.decode(handed[0], type=Task), handed[1]
        report = MemberReport(task.member, task.reader)
        work = Work(task.reader, task.member, task.number, task.whole, task.subject, data)
        batches = list(do(work, report, options))
        connection.send_bytes(
            msgspec.json.encode(Answer([(b.kind, b.source) for b in batches], report.as_dict()))
        )
        for batch in batches:
            rows = batch.rows
            if batch.labels is not None:
                rows = rows.append_column(LABEL, batch.labels)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, rows.schema) as stream:
                stream.write_batch(rows)
            connection.send_bytes(sink.getvalue())
        gc.collect()


def _listen(connection: Connection, waiting: Queue[tuple[bytes, bytes] | None]) -> None:
    try:
        while True:
            waiting.put((connection.recv_bytes(), connection.recv_bytes()))
    except (EOFError, OSError):
        waiting.put(None)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
