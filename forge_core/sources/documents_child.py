"""The part of reading documents that a file could hang, crash or blow up: it runs in a process of its own.

PDFs are read by PDFium, the library of Chromium, which is fuzzed day and night and takes a tenth of the time of
one in pure Python; its text extraction decodes no picture. ``documents_xml`` has docx and odt.
"""

from __future__ import annotations

import time
import zipfile
import zlib

import msgspec

from forge_core.sources.documents_kind import PDF, Found, Task, Unreadable
from forge_core.sources.documents_xml import clean, zipped

BROKEN_MAX = 1000  # pages; a document may say that it has a million of them
MEMORY = 1 << 30  # bytes of address space; the interpreter and PDFium take 0.3 GiB of it


def read(data: bytes) -> bytes:
    """What is found in a document, as JSON; called in the child."""
    limit_memory()
    line, _, content = data.partition(b"\n")
    del data
    task = msgspec.json.decode(line, type=Task)
    try:
        found = _pdf(content, task) if task.kind == PDF else zipped(content, task)
    except Unreadable as error:
        found = Found(reason=str(error))
    except MemoryError:
        found = Found(reason="too large")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, IndexError):
        found = Found(reason="malformed")
    except RuntimeError as error:  # zipfile has no other name for it
        found = Found(reason="encrypted" if "password" in str(error) else "malformed")
    return msgspec.json.encode(found)


def limit_memory() -> None:
    """End this process rather than the machine's memory; where the system knows no limit, time must do."""
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    except (ImportError, ValueError, OSError):
        return


def _pdf(data: bytes, task: Task) -> Found:
    import pypdfium2 as pdfium

    until = time.monotonic() + task.seconds
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        raise Unreadable("encrypted" if "password" in str(error).lower() else "malformed") from None
    about = document.get_metadata_dict()
    texts: list[str] = []
    size, more, broken = 0, False, 0
    for number in range(len(document)):
        if time.monotonic() > until or size > task.chars or broken > BROKEN_MAX:
            more = True
            break
        try:
            page = document[number]
            texts.append(page.get_textpage().get_text_range().replace("\r\n", "\n").strip())
            page.close()
        except pdfium.PdfiumError:
            broken += 1
            continue
        size += len(texts[-1]) + 2
    if broken and not texts:
        raise Unreadable("malformed")
    return Found(
        clean(about.get("Title", "")), clean(about.get("Author", "")),
        about.get("ModDate") or about.get("CreationDate") or "",
        clean("\n\n".join(filter(None, texts)))[: task.chars], more or size > task.chars + 2,
    )  # fmt: skip
