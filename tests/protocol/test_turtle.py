"""Turtle over HTTP: sent, taken, conditions."""

import pytest
from fastapi.testclient import TestClient
from rdflib import RDF, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic

from tests.protocol.conftest import (
    DESCRIPTIONS,
    IRIS,
    PAGE,
    ROOT,
    Annotator,
    make_document,
    prefer,
)

OA = Namespace("http://www.w3.org/ns/oa#")
AS = Namespace("http://www.w3.org/ns/activitystreams#")
LDP = Namespace("http://www.w3.org/ns/ldp#")
TURTLE = {"Accept": "text/turtle"}
NEW = """\
@prefix oa: <http://www.w3.org/ns/oa#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<> a oa:Annotation ;
   oa:motivatedBy oa:commenting ;
   oa:hasBody [ a oa:TextualBody ; rdf:value "What if? \U0001f600" ] ;
   oa:hasTarget [
     a oa:SpecificResource ;
     oa:hasSource <http://example.org/page> ;
     oa:hasSelector [
       a oa:TextPositionSelector ; oa:start 3 ; oa:end 9
     ]
   ] .
"""


def read(service: TestClient, address: str, **headers: str) -> Graph:
    """Return what is at an address, as triples."""
    answer = service.get(address, headers={**TURTLE, **headers})
    assert answer.status_code == 200
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind == "text/turtle"
    return Graph().parse(data=answer.text, format="turtle")


def send(ada: Annotator, method: str, address: str, turtle: str) -> Graph:
    """Send Turtle, and read the Turtle that is answered."""
    answer = ada.client.request(
        method,
        address,
        content=turtle.encode(),
        headers={**ada.headers, **TURTLE, "Content-Type": "text/turtle"},
    )
    assert answer.status_code in {200, 201}, answer.text
    return Graph().parse(data=answer.text, format="turtle")


def find_annotation(graph: Graph) -> URIRef:
    """Return the name of the only annotation in a graph."""
    (found,) = graph.subjects(RDF.type, OA.Annotation)
    assert isinstance(found, URIRef)
    return found


def test_what_is_posted_as_turtle_is_an_annotation(
    service: TestClient, ada: Annotator
) -> None:
    graph = send(ada, "POST", ROOT, NEW)
    address = find_annotation(graph)
    assert str(address).startswith(ROOT)
    document = service.get(str(address)).json()
    assert document["target"]["selector"] == {
        "type": "TextPositionSelector",
        "start": 3,
        "end": 9,
    }
    assert document["body"]["value"] == "What if? \U0001f600"
    assert "via" not in document
    assert isomorphic(graph, read(service, str(address)))


def test_what_is_read_as_turtle_may_be_sent_back(
    service: TestClient, ada: Annotator
) -> None:
    address = ada.make(motivation=["commenting", "tagging"])
    before = read(service, address)
    turtle = before.serialize(format="turtle").replace("What if?", "Really?")
    after = send(ada, "PUT", address, turtle)
    body = after.value(URIRef(address), OA.hasBody)
    assert after.value(body, RDF.value) == Literal("Really?")
    changed = {OA.hasBody, URIRef("http://purl.org/dc/terms/modified")}
    for graph in (before, after):
        for kept in [*graph.subject_objects(RDF.value)]:
            graph.remove((kept[0], None, None))
        for predicate in changed:
            graph.remove((None, predicate, None))
    assert isomorphic(before, after)


def test_a_container_is_told_in_turtle(service: TestClient) -> None:
    graph = read(service, ROOT)
    (container,) = graph.subjects(RDF.type, LDP.BasicContainer)
    assert str(container) == f"{ROOT}?iris=0"
    assert (container, RDF.type, AS.OrderedCollection) in graph
    assert graph.value(container, AS.totalItems) is not None
    assert str(graph.value(container, AS.first)).startswith(ROOT)


@pytest.mark.parametrize("form", [IRIS, DESCRIPTIONS])
def test_the_first_page_is_inside_in_turtle_too(
    service: TestClient, form: str
) -> None:
    graph = read(service, ROOT, **prefer(form))
    (page,) = graph.subjects(RDF.type, AS.OrderedCollectionPage)
    items = graph.value(page, AS["items"])
    assert items is not None
    members = [*graph.items(items)]
    assert len(members) == PAGE
    whole = set(graph.subjects(RDF.type, OA.Annotation))
    assert whole == (set(members) if form == DESCRIPTIONS else set())


def test_a_page_in_turtle_says_what_its_json_says(
    service: TestClient,
) -> None:
    address = f"{ROOT}?iris=0&page=first"
    page = service.get(address).json()
    graph = read(service, address)
    items = graph.value(URIRef(address), AS["items"])
    assert items is not None
    assert [str(item) for item in graph.items(items)] == [
        item["id"] for item in page["items"]
    ]
    assert str(graph.value(URIRef(address), AS.next)) == page["next"]


@pytest.mark.parametrize(
    ("turtle", "status"),
    [
        ("this is no Turtle", 400),
        ("", 400),
        ("# " + "x" * 70_000, 400),
        (NEW.replace("oa:hasTarget", "oa:other"), 400),
    ],
)
def test_other_turtle_is_refused_and_changes_nothing(
    service: TestClient, ada: Annotator, turtle: str, status: int
) -> None:
    before = service.get(ROOT).json()
    answer = ada.client.post(
        ROOT,
        content=turtle.encode(),
        headers={**ada.headers, "Content-Type": "text/turtle"},
    )
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert service.get(ROOT).json() == before


def test_an_answer_to_json_may_be_turtle(ada: Annotator) -> None:
    answer = ada.post(make_document(), Accept="text/turtle")
    graph = Graph().parse(data=answer.text, format="turtle")
    assert str(find_annotation(graph)) == answer.headers["Location"]
