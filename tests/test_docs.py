"""The documents say what the program has: settings, commands, nouns."""

import re
from pathlib import Path

import pytest
import sqlmodel

import app.models  # noqa: F401 - fills the metadata
from app.config import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_readme_lists_the_setting(field: str) -> None:
    assert f"| `VMI_REVIEW_{field.upper()}` |" in README


def test_readme_lists_no_setting_that_is_gone() -> None:
    listed = set(re.findall(r"`VMI_REVIEW_([A-Z_]+)`", README))
    assert listed == {field.upper() for field in Settings.model_fields}


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


@pytest.mark.parametrize(
    "table", sorted(sqlmodel.SQLModel.metadata.tables), ids=str
)
def test_glossary_has_the_noun_of_each_table(table: str) -> None:
    noun = table.replace("_", " ")
    links = ("call section", "decision evidence", "scenario call")
    if noun in links or noun.startswith("thread "):
        noun = noun.split()[0]
    assert f"\n| {noun} |" in CONTRIBUTING.lower()


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_paths_that_documents_name_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    paths = re.findall(
        r"`((?:app|bench|migrations|static|tests)/[^`<]*)`", text
    )
    missing = [p for p in paths if "…" not in p and not (ROOT / p).exists()]
    assert missing == []


def test_no_document_names_a_local_path() -> None:
    local = re.compile(r"(?<![\w.])/(?:work|home|root)/")
    texts = [ROOT / n for n in ("README.md", "CONTRIBUTING.md")]
    assert [p.name for p in texts if local.search(p.read_text())] == []
