"""A function in a process of its own, ended when it takes too long: for rules and files that can hang a parser.

The child imports ``module``, calls ``function(bytes) -> bytes`` for each request, and is kept for the next one.
"""

from __future__ import annotations

import importlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType


class ChildLost(Exception):
    """The child took too long, or died; ``str`` of it says which."""


def start(
    module: str, *arguments: str, seconds: float, pass_fds: Sequence[int] = ()
) -> tuple[subprocess.Popen[bytes], Connection]:
    """``python -m module FD arguments`` and our end of the socket whose other end is FD.

    Sending raises ``OSError`` when the child has not listened for ``seconds``.
    """
    ours, theirs = socket.socketpair()
    ours.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    )
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
            pass_fds=[theirs.fileno(), *pass_fds],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a traceback may quote what was read
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
    return process, Connection(ours.detach())


class Child:
    """``with Child("package.module:function", seconds=2) as child: child.call(data)``. Starts when called."""

    def __init__(self, target: str, seconds: float) -> None:
        self.target, self.seconds = target, seconds
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def call(self, data: bytes) -> bytes:
        """The function's answer; raises ``ChildLost``."""
        if self._running is None:
            self._running = start(__name__, self.target, seconds=self.seconds)
            self._running[1].recv_bytes()  # it has imported: that is not counted
        connection = self._running[1]
        try:
            connection.send_bytes(data)
            if connection.poll(self.seconds):
                return connection.recv_bytes()
        except (EOFError, OSError):
            self.end()
            raise ChildLost("broke the reader") from None
        self.end()
        raise ChildLost("took too long")

    def end(self) -> None:
        """End the child; the next call starts another."""
        if self._running is not None:
            process, connection = self._running
            self._running = None
            connection.close()
            process.kill()
            process.wait()


def serve(connection: Connection, target: str) -> None:
    """Answer requests until the other end closes."""
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    connection.send_bytes(b"ready")
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(function(data))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), sys.argv[2])
