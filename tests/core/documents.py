"""Documents made for tests: PDF, docx and odt, sound and hostile, byte by byte."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_OPEN = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0"'
)
_INFO = b"<< /Title (A title) /Author (Ann) /ModDate (D:20190125150512+01'00') >>"
_FONT = b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"


def pdf(*pages: str, info: bytes = _INFO, count: int | None = None, trailer: bytes = b"") -> bytes:
    """A PDF with one line of text per page; ``count`` is what it says of its pages."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for text in pages:
        content = b"BT /F1 12 Tf 50 700 Td (%s) Tj ET" % text.encode()
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R %s >>"
            % (len(objects) + 2, _FONT),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), count or len(kids))
    objects.append(info)
    out, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
        + b"trailer << /Size %d /Root 1 0 R /Info %d 0 R %s >>\n" % (len(objects) + 1, len(objects), trailer)
        + b"startxref\n%d\n%%%%EOF" % len(out)
    )  # fmt: skip


def encrypted_pdf() -> bytes:
    locks = b"/O <%s> /U <%s> /P -4" % (b"00" * 32, b"11" * 32)
    return pdf("secret", trailer=b"/Encrypt << /Filter /Standard /V 1 /R 2 %s >> /ID [<00><00>]" % locks)


def packed(members: Mapping[str, bytes | str]) -> bytes:
    """A zip of these members; ``mimetype`` is stored as it is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name) if name == "mimetype" else name, content)
    return out.getvalue()


def docx(body: str, before: str = "", **members: bytes | str) -> bytes:
    """A Word document; ``before`` stands before its root element."""
    core = (
        '<cp:coreProperties xmlns:cp="c" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="t">'
        "<dc:title>A title</dc:title><dc:creator>Ann</dc:creator>"
        "<dcterms:modified>2019-01-25T14:05:12Z</dcterms:modified></cp:coreProperties>"
    )
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"{before}<w:document {_WORD}><w:body>{body}</w:body></w:document>",
            "docProps/core.xml": core,
        }
        | members
    )


def words(*lines: str) -> str:
    """Paragraphs of a Word document."""
    return "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in lines)


def odt(body: str, before: str = "", **members: bytes | str) -> bytes:
    """An OpenDocument text."""
    meta = (
        "<dc:title>A title</dc:title><meta:initial-creator>Ann</meta:initial-creator>"
        "<dc:date>2019-01-25T14:05:12.123456789</dc:date>"
    )
    return packed(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"{before}<office:document-content {_OPEN}><office:body><office:text>{body}"
            "</office:text></office:body></office:document-content>",
            "meta.xml": f"<office:document-meta {_OPEN}><office:meta>{meta}</office:meta></office:document-meta>",
        }
        | members
    )
