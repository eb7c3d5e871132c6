"""Files of facts, read as hostile input: bounded, plain YAML, no surprises.

What a file may hold is the matter of `corpus_records`; here it becomes
numbers, texts, lists and mappings, or a `CorpusError` with line and column.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.constructor import SafeConstructor

from app.errors import CorpusError

MOST_BYTES = 4 * 1024 * 1024
MOST_EVENTS = 400_000
MOST_DEPTH = 16
MOST_DIGITS = 18
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null")
)


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file as read: its name in messages, its text, its SHA-256."""

    name: str
    text: str
    digest: str


def read_file(folder: Path, name: str) -> CorpusFile:
    """Read a text file of a corpus folder, bounded and in UTF-8."""
    path = folder / name
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise CorpusError(name, f"cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise CorpusError(name, f"is longer than {MOST_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            name, f"is not UTF-8: byte {error.start}: {error.reason}"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise CorpusError(name, f"line {line}: a NUL character")
    return CorpusFile(name, text, hashlib.sha256(raw).hexdigest())


def parse_yaml(file: CorpusFile) -> Any:  # noqa: ANN401 - any plain YAML
    """Return what a YAML file holds: plain scalars, lists and mappings."""
    try:
        _check_events(file)
        node = yaml.compose(file.text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        raise CorpusError(
            file.name, _place(error.problem_mark) + (error.problem or "")
        ) from error
    except yaml.YAMLError as error:
        raise CorpusError(file.name, f"is not YAML: {error}") from error
    if node is None:
        raise CorpusError(file.name, "is empty")
    _check_node(file, node)
    return SafeConstructor().construct_document(node)


def _check_events(file: CorpusFile) -> None:
    # before nodes are composed, since composing recurses and copies
    depth = documents = 0
    events: Iterator[yaml.Event] = yaml.parse(
        file.text, Loader=yaml.CSafeLoader
    )
    for count, event in enumerate(events):
        if count > MOST_EVENTS:
            _refuse(file, event, f"more than {MOST_EVENTS} YAML events")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                _refuse(file, event, "a second YAML document")
        if isinstance(event, yaml.AliasEvent) or getattr(
            event, "anchor", None
        ):
            _refuse(file, event, "anchors and aliases are not used here")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
            _refuse(file, event, "tags are not used here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                _refuse(file, event, f"nested deeper than {MOST_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_node(file: CorpusFile, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                _refuse(file, key, "a key that is not a text")
            if key.value in seen:
                _refuse(file, key, f"the key {key.value!r} stands twice")
            seen.add(key.value)
            _check_node(file, key)
            _check_node(file, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_node(file, item)
    elif node.tag not in PLAIN_TAGS:
        kind = node.tag.rpartition(":")[2]
        _refuse(
            file, node, f"expected a text, found a {kind}: put it in quotes"
        )
    elif (
        node.tag.endswith(":int")
        and len(node.value.lstrip("+-")) > MOST_DIGITS
    ):
        _refuse(file, node, f"a number of more than {MOST_DIGITS} digits")


def _refuse(
    file: CorpusFile, at: yaml.Event | yaml.Node, what: str
) -> NoReturn:
    raise CorpusError(file.name, _place(at.start_mark) + what)


def _place(mark: Any) -> str:  # noqa: ANN401 - two kinds of mark
    return f"line {mark.line + 1}, column {mark.column + 1}: "
