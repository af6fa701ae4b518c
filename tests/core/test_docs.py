"""The documentation says what the code says: generated pages, error codes, commands and links."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from forge_cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
WRITTEN = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FAMILIES_OF_CODES = {
    "refuse": "FORGE-ARCHIVE-",
    "_refused": "FORGE-ARTIFACT-",
}  # function -> what it puts before


def codes_in_the_code() -> set[str]:
    text = "\n".join(p.read_text("utf-8") for p in ROOT.glob("forge_*/**/*.py"))
    found = set(re.findall(r"FORGE-[A-Z]+(?:-[A-Z]+)*", text))
    for function, prefix in FAMILIES_OF_CODES.items():
        found |= {prefix + code for code in re.findall(rf'\b{function}\(\s*"([A-Z-]+)"', text)}
    return found


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_the_code_declares(name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == PAGES[name], "run `make docs`"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_a_page_names_only_error_codes_that_exist(page: Path) -> None:
    named = set(re.findall(r"FORGE-[A-Z]+(?:-[A-Z]+)*", page.read_text("utf-8")))

    assert named - codes_in_the_code() == set()


def test_the_readme_lists_every_command() -> None:
    text = (ROOT / "README.md").read_text("utf-8")

    assert [name for name in COMMANDS if f"`forge {name}" not in text] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).is_file()] == []
