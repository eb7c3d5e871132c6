"""Annotations in Turtle: JSON-LD to it, and from it.

rdflib knows the syntaxes, this module knows annotations. Contexts are never
fetched: those that annotations name stand in `turtle_terms`, and of what a
client defines itself prefixes and plain terms count. Importing this module
takes a while; who needs no Turtle does without.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote

import rdflib
from rdflib import RDF, BNode, Graph, Literal, URIRef
from rdflib.plugins.parsers.jsonld import to_rdf
from rdflib.term import Node

from app.errors import Fault, MalformedError, UnacceptableError
from app.services.turtle_terms import (
    ANNO,
    CHOSEN,
    CLASSES,
    COUNTS,
    LINKS,
    LISTS,
    PREFIXES,
    TERMS,
    TEXTS,
    TIMES,
    WORDS,
    expand,
    list_meanings,
)

# texts stay as they were written, and what is no number is no news
rdflib.NORMALIZE_LITERALS = False
logging.getLogger("rdflib.term").setLevel(logging.CRITICAL)

DEEPEST = 24
KEPT = 1024
KEPT_LENGTH = 4096
CONTEXT = "@context"
ILLEGAL = re.compile(r'[\x00-\x20<>"{}|\\^`]')
BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError),
    *(ArithmeticError, AssertionError, RecursionError),
)
"""What rdflib raises when a stranger's words make no sense."""

COUNT = re.compile(r"0|[1-9]\d{0,14}")
TRUTHS = {"true": True, "false": False}
KEYWORDS = frozenset({"@id", "@type", "@container", "@language"})

_CLASS_NAMES = dict(list_meanings(CLASSES))
_WORD_NAMES = dict(list_meanings(WORDS))
_PROPERTIES = {
    **dict(list_meanings(TEXTS)),
    **dict(list_meanings(TIMES)),
    **dict(list_meanings(COUNTS)),
    **dict(list_meanings(LINKS)),
    **dict(list_meanings(CHOSEN)),
    **dict(list_meanings(LISTS)),
}
_ANNOTATION = URIRef(expand(str(CLASSES["Annotation"])))
_TIME = URIRef(expand("xsd:dateTime"))
_STRING = URIRef(expand("xsd:string"))
_BOOLEAN = URIRef(expand("xsd:boolean"))
_INTEGER = URIRef(expand("xsd:integer"))
_WHOLE = frozenset({_INTEGER, URIRef(expand("xsd:nonNegativeInteger"))})

Document = Mapping[str, Any]


def write_turtle(document: Document) -> bytes:
    """Return an annotation, a page or a container in Turtle.

    What no context gives a meaning to is not in it, as JSON-LD has it.

    Raises
    ------
    UnacceptableError
        When a client's own terms make no sense as triples.
    """
    parts = [_serialize(make_graph(_name_items(document)))]
    for item in _list_items(document):
        text = json.dumps(item)
        is_short = len(text) <= KEPT_LENGTH
        parts.append(_keep_item(text) if is_short else _write_item(text))
    return "\n".join(parts).encode()


def _write_item(text: str) -> str:
    try:
        return _serialize(make_graph(json.loads(text)))
    except UnacceptableError:
        return ""  # its address is told all the same


_keep_item = lru_cache(maxsize=KEPT)(_write_item)


def _serialize(graph: Graph) -> str:
    for prefix, iri in PREFIXES.items():
        graph.bind(prefix, iri)
    return graph.serialize(format="turtle")


def _list_items(document: Document) -> Iterator[Document]:
    if document.get("type") == "AnnotationPage":
        yield from (i for i in document["items"] if isinstance(i, dict))
    if isinstance(document.get("first"), dict):
        yield from _list_items(document["first"])


def _name_items(document: Document) -> Document:
    named = dict(document)
    if document.get("type") == "AnnotationPage":
        named["items"] = [
            item["id"] if isinstance(item, dict) else item
            for item in document["items"]
        ]
    if isinstance(document.get("first"), dict):
        named["first"] = _name_items(document["first"])
    return named


def make_graph(document: Document) -> Graph:
    """Return what a document says, as triples.

    If the terms that its author defined make no sense, they do not count.
    """
    for has_own in (True, False):
        with suppress(*BROKEN):
            return _load(_localize(document, has_own=has_own))
    raise UnacceptableError("application/ld+json")


def _load(document: Document) -> Graph:
    contexts = [dict(TERMS), *document.get(CONTEXT, ())]
    found = Graph(bind_namespaces="none")
    base = str(document.get("id", ""))
    to_rdf({**document, CONTEXT: contexts}, found, base=base)
    graph = Graph(bind_namespaces="none")
    names: dict[Node, BNode] = {}
    for triple in found:
        subject, predicate, value = (_mend(node, names) for node in triple)
        graph.add((subject, predicate, value))
    return graph


def _mend(node: Node, names: dict[Node, BNode]) -> Any:  # noqa: ANN401 - what triples take
    # an address that Turtle could not hold, or a name that another may have
    if isinstance(node, URIRef) and ILLEGAL.search(node):
        return URIRef(ILLEGAL.sub(_quote, node))
    if isinstance(node, BNode):
        return names.setdefault(node, BNode())
    return node


def _quote(found: re.Match[str]) -> str:
    return quote(found[0], safe="")


def _localize(value: Any, *, has_own: bool) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without a context that would have to be fetched."""
    if isinstance(value, list):
        return [_localize(one, has_own=has_own) for one in value]
    if not isinstance(value, dict):
        return value
    local = {
        key: _localize(one, has_own=has_own)
        for key, one in value.items()
        if key != CONTEXT
    }
    contexts = _read_contexts(value.get(CONTEXT)) if has_own else ()
    return {CONTEXT: contexts, **local} if contexts else local


def _read_contexts(given: object) -> Sequence[Document]:
    contexts = given if isinstance(given, list) else [given]
    found = (
        {
            term: definition
            for term, definition in context.items()
            if _is_plain(term, definition)
        }
        for context in contexts
        if isinstance(context, dict)
    )
    return [context for context in found if context]


def _is_plain(term: str, definition: object) -> bool:
    if not term or term.startswith("@") or ":" in term:
        return False
    if isinstance(definition, str):
        return _is_absolute(definition)
    return (
        isinstance(definition, dict)
        and definition.keys() <= KEYWORDS
        and all(isinstance(one, str) for one in definition.values())
        and _is_absolute(definition.get("@id", ""))
        and definition.get("@container", "@set") in {"@set", "@list"}
        and (
            definition.get("@type", "@id") in {"@id", "@vocab"}
            or _is_absolute(definition["@type"])
        )
    )


def _is_absolute(name: str) -> bool:
    return ":" in name[1:] and not any(c.isspace() for c in name)


def read_turtle(body: bytes, address: str) -> dict[str, Any]:
    """Return the annotation that Turtle describes, as JSON-LD.

    Parameters
    ----------
    address
        Where it was sent: relative references start there, and `<>` is the
        annotation that shall be.

    Raises
    ------
    MalformedError
        When it is no Turtle, or describes no annotation, or more than one.
    """
    graph = Graph(bind_namespaces="none")
    try:
        graph.parse(data=body, format="turtle", publicID=address)
    except SyntaxError as error:
        raise _refuse(f"this is no Turtle: {_find_reason(error)}") from None
    except RecursionError:
        raise _refuse("this nests too deep") from None
    except BROKEN as error:
        raise _refuse(f"this is no Turtle: {error}") from None
    root = _find_root(graph)
    reader = _Reader(graph, root)
    document = reader.read_node(root)
    if reader.left:
        raise _refuse(
            f"{len(reader.left)} statements say nothing of the annotation"
        )
    if document.get("id") == address:
        del document["id"]
    return {CONTEXT: ANNO, **document}


def _refuse(message: str) -> MalformedError:
    return MalformedError(message, Fault("", message))


def _find_reason(error: SyntaxError) -> str:
    # the parser tells line and reason, and half of the text after them
    return " ".join(str(error).split())[:200]


def _find_root(graph: Graph) -> Node:
    found = set(graph.subjects(RDF.type, _ANNOTATION))
    tops = [node for node in found if (None, None, node) not in graph]
    if len(found) == 1:
        return found.pop()
    if len(tops) != 1:
        raise _refuse(
            f"expected one oa:Annotation, found {len(tops) or len(found)}"
        )
    return tops[0]


class _Reader:
    """Reads a graph from the annotation on; each statement once.

    `left` are the statements that were not met.
    """

    def __init__(self, graph: Graph, root: Node) -> None:
        self.graph = graph
        self.root = root
        self.left = set(graph)

    def read_node(self, node: Node, depth: int = 0) -> dict[str, Any]:
        """Return what is said of a node, those that it leads to included."""
        if depth > DEEPEST:
            raise _refuse("this nests too deep")
        document: dict[str, Any] = {}
        if isinstance(node, URIRef) or self._is_shared(node):
            document["id"] = _write_name(node)
        said: dict[Node, list[Node]] = {}
        about = self.graph.triples((node, None, None))
        for triple in sorted(about, key=_get_order):
            self.left.discard(triple)
            said.setdefault(triple[1], []).append(triple[2])
        for predicate, values in said.items():
            key, value = self._read_property(predicate, values, depth + 1)
            document[key] = value
        return document

    def _is_shared(self, node: Node) -> bool:
        leading = list(islice(self.graph.triples((None, None, node)), 2))
        return len(leading) > (node != self.root)

    def _read_property(
        self, predicate: Node, values: Sequence[Node], depth: int
    ) -> tuple[str, Any]:
        iri = str(predicate)
        if predicate == RDF.type:
            read = [_CLASS_NAMES.get(str(v), str(v)) for v in values]
            return "type", _unwrap(read)
        key = _PROPERTIES.get(iri, iri)
        if key in LISTS and len(values) == 1:
            members = self._read_list(values[0])
            return key, [self._read_value(key, m, depth) for m in members]
        return key, _unwrap([self._read_value(key, v, depth) for v in values])

    def _read_list(self, head: Node) -> Sequence[Node]:
        members: list[Node] = []
        while head != RDF.nil:
            first = self.graph.value(head, RDF.first)
            rest = self.graph.value(head, RDF.rest)
            if (
                first is None
                or rest is None
                or ((head, RDF.rest, rest) not in self.left)
            ):
                raise _refuse("as:items is no list that ends")
            self.left -= {(head, RDF.first, first), (head, RDF.rest, rest)}
            members.append(first)
            head = rest
        return members

    def _read_value(self, key: str, value: Node, depth: int) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, Literal):
            return _read_literal(key, value)
        if key in CHOSEN:
            return _WORD_NAMES.get(str(value), str(value))
        about = self.graph.triples((value, None, None))
        is_new = any(triple in self.left for triple in about)
        if is_new or (isinstance(value, BNode) and not self._is_shared(value)):
            return self.read_node(value, depth)
        name = _write_name(value)
        return name if key in LINKS or key in LISTS else {"id": name}


def _get_order(triple: Sequence[Node]) -> list[str]:
    return [str(node) for node in triple]


def _read_literal(key: str, literal: Literal) -> Any:  # noqa: ANN401 - JSON
    text, kind = str(literal), literal.datatype
    if key in COUNTS and kind in _WHOLE and COUNT.fullmatch(text):
        return int(text)
    if key in TIMES and kind == _TIME:
        return text
    if kind is None or kind == _STRING:
        return _read_text(key, literal)
    if key not in TERMS and kind == _BOOLEAN and text in TRUTHS:
        return TRUTHS[text]
    if key not in TERMS and kind == _INTEGER and COUNT.fullmatch(text):
        return int(text)
    return {"@value": text, "@type": str(kind)}


def _read_text(key: str, literal: Literal) -> str | Mapping[str, str]:
    if literal.language:
        return {"@value": str(literal), "@language": literal.language}
    is_text = key in TEXTS or key not in TERMS
    return str(literal) if is_text else {"@value": str(literal)}


def _write_name(node: Node) -> str:
    return f"_:{node}" if isinstance(node, BNode) else str(node)


def _unwrap(values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    return values[0] if len(values) == 1 else list(values)
