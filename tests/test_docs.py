"""The documentation: what it quotes is there, its links lead somewhere, and the README stays short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [file for room in ("vln", "envs", "agents", "scripts") for file in (ROOT / room).rglob("*.py")]
README_BYTES = 14_000


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_commands_and_files_that_exist(page):
    text = page.read_text()
    for script in re.findall(r"(?<![\w/])scripts/(\w+)\.py", text):
        assert (ROOT / "scripts" / f"{script}.py").exists(), script
    for command in re.findall(r"^vln ([a-z-]+)", text, flags=re.MULTILINE):
        assert (ROOT / "scripts" / f"{command.replace('-', '_')}.py").exists(), command
    for file in re.findall(r"`((?:vln|envs|agents|tests)/[\w/]+\.py)`", text):
        assert (ROOT / file).exists(), file


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def test_troubleshooting_quotes_sentences_that_are_said():
    code = "\n".join(file.read_text() for file in SOURCES)
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE)
    assert len(rows) >= 10
    for quoted in re.findall(r"`([^`]+)`", " ".join(rows)):
        assert quoted in code, quoted


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in navigation, page
