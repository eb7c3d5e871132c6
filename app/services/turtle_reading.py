"""Annotations from Turtle: the JSON-LD that a graph stands for.

The graph is walked from its one annotation on. A statement that the walk does
not meet, or a knot that does not end, is refused: nothing that was sent is
lost in silence.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from rdflib import RDF, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from app.errors import Fault, MalformedError
from app.services.annotation_model import OURS
from app.services.annotation_rows import PLACE
from app.services.turtle import BROKEN, CONTEXT, SPACE
from app.services.turtle_terms import (
    ANNO,
    CHOSEN,
    CLASSES,
    COUNTS,
    LINKS,
    LISTS,
    TERMS,
    TEXTS,
    TIMES,
    WORDS,
    expand,
    list_meanings,
)
from app.services.vocabulary import TERMS as OUR_TERMS

DEEPEST = 24
COUNT = re.compile(r"0|[1-9]\d{0,14}")
TRUTHS = {"true": True, "false": False}
NAMING = frozenset(
    {*LINKS, *LISTS}
    | {f"review:{term.name}" for term in OUR_TERMS if term.type == "@id"}
)
"""Keys whose values are addresses."""

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
    base = address.partition(PLACE)[0]
    reader = _Reader(graph, root, base)
    document = reader.read_node(root)
    if reader.left:
        raise _refuse(
            f"{len(reader.left)} statements say nothing of the annotation"
        )
    if document.get("id") == address:
        del document["id"]
    context = [ANNO, f"{base}{OURS}"] if reader.has_ours else ANNO
    return {CONTEXT: context, **document}


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

    `left` are the statements that were not met, `has_ours` tells that our
    own terms were.
    """

    def __init__(self, graph: Graph, root: Node, base: str) -> None:
        self.graph = graph
        self.root = root
        self.space = f"{base}{SPACE}"
        self.has_ours = False
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
        if iri.startswith(self.space):
            self.has_ours = True
            key = f"review:{iri.removeprefix(self.space)}"
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
        return name if key in NAMING else {"id": name}


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
