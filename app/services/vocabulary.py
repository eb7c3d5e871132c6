"""Our own terms of annotations: what `review:…` means; pure.

The context stands next to the API. It comes after that of W3C annotations,
and gives our keys the addresses of the terms that are described beside it.
"""

from typing import Any, NamedTuple

from app.models import Severity, StanceValue, ThreadKind, ThreadState

RDFS = "http://www.w3.org/2000/01/rdf-schema#"
XSD = "http://www.w3.org/2001/XMLSchema#"


class Term(NamedTuple):
    """A term, what it means, and of what type its values are."""

    name: str
    meaning: str
    type: str | None = None


TERMS = (
    Term("title", "The title of the thread that the annotation opened."),
    Term(
        "kind",
        f"What that thread is meant as: {', '.join(ThreadKind)}. Without it "
        "a questioning annotation opens a question, an assessing one an "
        "objection.",
    ),
    Term("severity", f"How much it weighs: {', '.join(Severity)}."),
    Term(
        "opensThread",
        "Whether the annotation opens a thread. Without it one does that "
        "has the motivation questioning or assessing, says something, and "
        "speaks of a section or a call.",
        f"{XSD}boolean",
    ),
    Term(
        "stance",
        f"How its author stands to the thread: {', '.join(StanceValue)}. "
        "Who posts it takes that stance; one that blocks opens a thread if "
        "there is none.",
    ),
    Term(
        "state",
        "How the thread that is spoken of stands from then on, said with the "
        f"motivation moderating: {', '.join(ThreadState)}. Whoever opened it "
        "may say so, and an editor, with the reason as body; decided it is "
        "by a decision alone.",
    ),
    Term("call", "The call that is spoken of.", "@id"),
    Term("scenario", "The question that can be run.", "@id"),
    Term("thread", "The thread that is spoken of.", "@id"),
    Term(
        "expected",
        "What the author expects of a scenario that is a body with the "
        "purpose describing: an answer, if the body's address names platform "
        "and outcome, else an outcome that always happens. If it was run, "
        "its answer becomes evidence on the thread.",
    ),
    Term(
        "step",
        "What a fragment selector conforms to that names a part of a run: "
        "step=17 is a step of its execution, reg=eip a register there.",
    ),
    Term(
        "extra",
        "What a client of Hypothesis said of the annotation by keys that "
        "are not of that API.",
    ),
    Term(
        "postedBy",
        "The account that posted an annotation whose creator is somebody "
        "else. Only the server says this.",
    ),
)


def build_context(base: str) -> dict[str, Any]:
    """Return the context, and what its terms mean, for a site's address."""
    space = f"{base.rstrip('/')}/ns/review#"
    context: dict[str, Any] = {"review": space}
    for term in TERMS:
        if term.type is not None:
            context[f"review:{term.name}"] = {
                "@id": f"{space}{term.name}",
                "@type": term.type,
            }
    return {
        "@context": context,
        "@graph": [
            {
                "@id": f"{space}{term.name}",
                "@type": "http://www.w3.org/1999/02/22-rdf-syntax-ns#Property",
                f"{RDFS}label": term.name,
                f"{RDFS}comment": term.meaning,
            }
            for term in TERMS
        ],
    }
