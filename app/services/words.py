"""Words: what the editor may complete, and what each means in a line."""

from collections.abc import Iterable, Mapping

from app.sim import CALLS, INSTRUCTIONS, OBSERVABLES, PLATFORMS, POLICIES
from app.sim.rom import NUMBERS
from app.sim.start import EVENTS, VECTORS

Word = tuple[str, str]

REGISTERS = (
    *("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"),
    *("ax", "bx", "cx", "dx", "si", "di", "bp", "sp"),
    *("al", "bl", "cl", "dl", "ah", "bh", "ch", "dh"),
)
OPERATORS: Mapping[str, str] = {
    "and": "both hold",
    "or": "one of them holds",
    "not": "it does not hold",
    "at": "the processor stands at a label",
    "pending": "something waits to be delivered",
}
SECTIONS: Mapping[str, str] = {
    "[code]": "the listings: kernel, user, and handlers by vector",
    "[data]": "words in memory, and their values",
    "[start]": "where and how the machine begins",
    "[events]": "what may arrive, and how often",
    "[outcomes]": "what is asked: conditions on states",
    "[platforms]": "which platforms to ask; all, if it is left out",
    "[policies]": "choices that the RFC leaves open",
    "[variants]": "more runs, each on one platform",
    "[expect]": "the answers that are expected",
}


def list_words() -> Mapping[str, object]:
    """Return the words by the place where they fit."""
    return {
        "code": [*_list_calls(), *_list_mnemonics(), *_list_registers()],
        "outcomes": [
            *(list(each) for each in OPERATORS.items()),
            *(list(each) for each in OBSERVABLES.items()),
        ],
        "sections": [list(each) for each in SECTIONS.items()],
        "listings": [
            ["kernel", "where the kernel begins"],
            ["user", "what user space runs"],
            *([name, f"handler of vector {n}"] for name, n in VECTORS.items()),
        ],
        "events": [list(each) for each in EVENTS.items()],
        "platforms": [[each.name, each.title] for each in PLATFORMS.values()],
        "policies": [[each.name, each.text] for each in POLICIES.values()],
        "values": {each.name: each.values for each in POLICIES.values()},
    }


def _list_calls() -> Iterable[Word]:
    for name in sorted({*NUMBERS, *CALLS}):
        spec = CALLS.get(name)
        text = _get_summary(spec.docstring) if spec else "not executable yet"
        yield name, text


def _list_mnemonics() -> Iterable[Word]:
    for name, spec in sorted(INSTRUCTIONS.items()):
        yield name, _get_summary(spec.docstring)


def _list_registers() -> Iterable[Word]:
    for name in REGISTERS:
        yield name, "register"


def _get_summary(docstring: str) -> str:
    """Return the first sentence of a docstring."""
    paragraph = docstring.strip().partition("\n\n")[0]
    return " ".join(paragraph.split())
