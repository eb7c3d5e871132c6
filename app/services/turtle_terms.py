"""What the words of an annotation mean: the context that Turtle is made by.

The terms are those of the Web Annotation Vocabulary, of LDP and our own, as
their contexts define them on the Web; nothing is fetched.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

ANNO = "http://www.w3.org/ns/anno.jsonld"
LDP = "http://www.w3.org/ns/ldp.jsonld"

Definition = str | Mapping[str, str]

PREFIXES = {
    "oa": "http://www.w3.org/ns/oa#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "dctypes": "http://purl.org/dc/dcmitype/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "iana": "http://www.iana.org/assignments/relation/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "as": "http://www.w3.org/ns/activitystreams#",
    "schema": "http://schema.org/",
    "ldp": "http://www.w3.org/ns/ldp#",
}


def _name(prefix: str, pairs: str) -> Mapping[str, str]:
    # «term» stands for itself, «term=name» for another name
    named = (pair.partition("=") for pair in pairs.split())
    return {term: f"{prefix}:{name or term}" for term, _, name in named}


def _link(kind: str, terms: Mapping[str, str]) -> Mapping[str, Definition]:
    return {term: {"@id": iri, "@type": kind} for term, iri in terms.items()}


CLASSES = {
    **_name(
        "oa",
        "Annotation TextualBody ResourceSelection SpecificResource Choice "
        "FragmentSelector CssSelector XPathSelector TextQuoteSelector "
        "TextPositionSelector DataPositionSelector SvgSelector RangeSelector "
        "TimeState HttpRequestState CssStylesheet=CssStyle Motivation",
    ),
    **_name(
        "dctypes",
        "Dataset Image=StillImage Video=MovingImage Audio=Sound Sound Text",
    ),
    **_name("foaf", "Person Organization"),
    **_name(
        "as",
        "Software=Application AnnotationCollection=OrderedCollection "
        "AnnotationPage=OrderedCollectionPage",
    ),
    "Audience": "schema:Audience",
    **_name("ldp", "BasicContainer Container Resource"),
}
WORDS = _name(
    "oa",
    "assessing bookmarking classifying commenting describing editing "
    "highlighting identifying linking moderating questioning replying "
    "reviewing tagging auto=autoDirection ltr=ltrDirection rtl=rtlDirection",
)
LINKS = _link(
    "@id",
    {
        **_name(
            "oa",
            "body=hasBody target=hasTarget source=hasSource scope=hasScope "
            "selector=hasSelector state=hasState refinedBy renderedVia via "
            "startSelector=hasStartSelector endSelector=hasEndSelector "
            "canonical stylesheet=styledBy cached=cachedSource",
        ),
        **_name("dcterms", "creator rights conformsTo"),
        **_name("as", "generator partOf first last next prev"),
        "homepage": "foaf:homepage",
        "audience": "schema:audience",
        "contains": "ldp:contains",
    },
)
CHOSEN = _link(
    "@vocab",
    _name("oa", "motivation=motivatedBy purpose=hasPurpose textDirection"),
)
TEXTS = {
    **_name(
        "oa", "bodyValue processingLanguage exact prefix suffix styleClass"
    ),
    **_name("dc", "format language"),
    **_name("foaf", "name email=mbox email_sha1=mbox_sha1sum nickname=nick"),
    "value": "rdf:value",
    "label": "rdfs:label",
    "accessibility": "schema:accessibilityFeature",
}
TIMES = _link(
    "xsd:dateTime",
    {
        **_name("dcterms", "created modified generated=issued"),
        **_name("oa", "sourceDate sourceDateStart sourceDateEnd"),
    },
)
COUNTS = _link(
    "xsd:nonNegativeInteger",
    {
        **_name("oa", "start end"),
        **_name("as", "total=totalItems startIndex"),
    },
)
LISTS: Mapping[str, Definition] = {
    "items": {"@id": "as:items", "@type": "@id", "@container": "@list"}
}
TERMS: Mapping[str, Definition] = MappingProxyType(
    {
        **PREFIXES,
        "id": "@id",
        "type": "@type",
        **CLASSES,
        **WORDS,
        **LINKS,
        **CHOSEN,
        **TEXTS,
        **TIMES,
        **COUNTS,
        **LISTS,
    }
)
"""The whole context, as JSON-LD writes one."""


def expand(name: str) -> str:
    """Return the IRI of a name with one of our prefixes."""
    prefix, _, rest = name.partition(":")
    return PREFIXES[prefix] + rest


def list_meanings(
    terms: Mapping[str, Definition],
) -> Iterable[tuple[str, str]]:
    """Return the IRI and the term of each, as Turtle is read."""
    for term, definition in terms.items():
        name = definition if isinstance(definition, str) else definition["@id"]
        yield expand(name), term
