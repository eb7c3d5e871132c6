"""The rules and samples of the W3C's model suite, from the shared folder."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import (  # type: ignore[import-untyped]  # has no types
    Draft4Validator,
    FormatChecker,
)
from referencing import Registry
from referencing.jsonschema import DRAFT4

FOLDER = Path(__file__).resolve().parents[1] / ".." / "shared" / "w3c"
DROPPED = ("anno11.json", "anno12.json", "anno13.json")
"""Samples of sets that the Recommendation does not have any more."""


def need_samples() -> None:
    """Skip a test where the shared folder is absent."""
    if not FOLDER.is_dir():
        pytest.skip("the shared folder with the W3C's samples is absent")


def list_samples(kind: str) -> Iterator[tuple[str, bytes]]:
    """Give the names and bytes of the `correct` or `incorrect` samples."""
    for path in sorted((FOLDER / "tools" / "samples" / kind).glob("anno*")):
        yield path.name, path.read_bytes()


def list_broken_rules(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the MUST schemas that a document breaks."""
    return [
        name
        for name, rule in _read_rules().items()
        if not rule.is_valid(document)
    ]


@cache
def _read_rules() -> Mapping[str, Draft4Validator]:
    shared: Registry[Any] = Registry().with_resources(
        (path.name, DRAFT4.create_resource(_read(path)))
        for path in (FOLDER / "definitions").glob("*.json")
    )
    listed = _read(FOLDER / "annotations" / "annotationMusts.test")
    return {
        name: Draft4Validator(
            _read(FOLDER / name),
            registry=shared,
            format_checker=FormatChecker(),
        )
        for name in listed["assertions"]
    }


def _read(path: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(path.read_text())
    # the ids are names of files, which are no addresses
    schema.pop("id", None)
    return schema
