# SPDX-License-Identifier: Apache-2.0
"""README.md stays one page, and links in the documents lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = 900
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
#: What a newcomer needs first comes first.
SECTIONS = [
    *("Two commands", "Topics", "Install on a ROS 2 distribution", "Python", "Measured"),
    *("Limits", "More", "Licence"),
]


def text_of(page):
    return page.read_text(encoding="utf-8")


def headings(page):
    """The headings of a page, without those that are comments of code blocks."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)


def anchor(heading):
    """The fragment that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_readme_is_one_page():
    count = len(text_of(ROOT / "README.md").split())
    assert count <= WORDS, f"README.md has {count} words; expected at most {WORDS}"


def test_readme_has_its_sections():
    assert headings(ROOT / "README.md")[1:] == SECTIONS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, fragment = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{page.name}: no file {target}"
        if fragment:
            assert fragment in map(anchor, headings(found)), f"{page.name}: no heading {target}"


def test_every_page_is_reached_from_readme():
    reached, open_pages = set(), [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        names = re.findall(r"\]\(([^)#:]+\.md)", text_of(page))
        open_pages += [(page.parent / name).resolve() for name in names]
    assert {page.name for page in PAGES} - {page.name for page in reached} <= {"CHANGELOG.md"}
