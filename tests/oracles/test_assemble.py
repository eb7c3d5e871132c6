"""GNU as accepts every listing: guest code is real i386 code.

These are the listings of the corpus, of the benchmark, and of every whole
scenario that a test or a page's example holds as text; and each form of each
instruction, by all its names. The other oracles assemble their own.
"""

import ast
import itertools
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.sim import ScenarioError, parse_scenario
from app.sim.forms import ALIASES, FORMS, LOCKABLE, REPEATS, SHORT, split_code
from app.sim.layout import KERNEL_BASE
from app.sim.listing import parse_listings
from bench.explore import QUESTION, SCENARIO
from tests.oracles.binutils import assemble

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "app/corpus/vmi/scenarios"
SOURCES = sorted(
    path for top in ("app", "tests") for path in (ROOT / top).rglob("*.py")
)


def _find_texts(source: Path) -> Iterator[str]:
    """Find the texts in a module that may be scenarios."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _collect_scenarios() -> dict[str, str]:
    """Collect the scenarios by a name that says where each stands."""
    scenarios = {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(CORPUS.glob("*.toml"))
    }
    scenarios["bench"] = SCENARIO.format(interrupts=1, question=QUESTION)
    for source in SOURCES:
        for number, text in enumerate(_find_texts(source)):
            if "[code]" not in text:
                continue
            try:
                parse_scenario(text, slug="listing")
            except ScenarioError:
                continue  # a template, or one that a test wants refused
            scenarios[f"{source.relative_to(ROOT)}-{number}"] = text
    return scenarios


SCENARIOS = _collect_scenarios()


def test_the_corpus_is_among_them() -> None:
    assert {path.stem for path in CORPUS.glob("*.toml")} <= set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_listing_assembles(name: str, tmp_path: Path) -> None:
    """All of them together: one may name another's label."""
    listings = tomllib.loads(SCENARIOS[name])["code"]
    assert listings
    assemble(tmp_path, "\n".join(listings.values()) + "\n")


REGISTERS = {"8": "dl", "16": "dx", "32": "edx"}
POINTERS = {
    "8": "byte ptr",
    "16": "word ptr",
    "32": "dword ptr",
    "48": "fword ptr",
    "64": "qword ptr",
}
OTHERS = {
    "place": ("[esi]",),
    "sreg": ("cs", "fs"),
    "loadable": ("es", "ss"),
    "cr": ("cr0", "cr2", "cr3", "cr4"),
    "dr": ("dr0", "dr6"),
    "label": ("here",),
    "call": ("VMI_Halt",),
    "far": ("0x60:here",),
}
STRINGS = {"di": "es:[edi]", "si": "[esi]"}


def write_operands(code: str, size: str) -> Sequence[str]:
    """Write what an operand's code stands for, where sizes are this one."""
    kind, own = split_code(code)
    bits = own if own not in {"", "v"} else size
    if kind == "i":
        return ("1",) if own else ("1", "-0x1")
    if kind in {"r", "m", "rm", "bx"}:
        memory = f"{POINTERS[bits]} [{'ebx' if kind == 'bx' else 'esi'}]"
        written = [REGISTERS[bits]] if "r" in kind else []
        return [*written, *([memory] if kind != "r" else [])]
    if kind in STRINGS:
        return [f"{POINTERS[size]} {STRINGS[kind]}"]
    return OTHERS.get(kind, (kind,))


def write_forms(mnemonic: str) -> Iterator[str]:
    """Write an instruction in all its forms and sizes."""
    for form in FORMS[mnemonic]:
        codes = form.split(", ") if form else []
        wide = any(code.endswith("v") for code in codes)
        for size in ("16", "32") if wide else ("8", "16", "32"):
            written = [write_operands(code, size) for code in codes]
            for operands in itertools.product(*written):
                yield f"{mnemonic} {', '.join(operands)}".strip()


def list_statements() -> list[str]:
    """List each form of each instruction, by each name, with prefixes."""
    names = {**{name: name for name in FORMS}, **ALIASES}
    statements = [
        written.replace(mnemonic, name, 1)
        for name, mnemonic in names.items()
        for written in write_forms(mnemonic)
    ]
    statements += SHORT
    statements += [
        f"lock {written}"
        for mnemonic in sorted(LOCKABLE)
        for written in write_forms(mnemonic)
        if "ptr" in written.partition(",")[0]
    ]
    statements += [
        f"{prefix} {name}"
        for prefix in REPEATS
        for name, (mnemonic, _) in SHORT.items()
        if mnemonic in {"cmps", "scas"}
        or (mnemonic != "xlat" and prefix == "rep")
    ]
    return list(dict.fromkeys(statements))


def test_each_form_assembles(tmp_path: Path) -> None:
    """What the simulator's language says can be written, as takes too."""
    statements = list_statements()
    assert len(statements) > len(FORMS)
    for statement in statements:
        parse_listings(
            {"kernel": (f"here: {statement}", KERNEL_BASE)},
            words={},
            calls={"VMI_Halt"},
        )
    lines = [
        f"h{number}: {statement.replace('here', f'h{number}')}"
        for number, statement in enumerate(statements)
    ]
    assemble(tmp_path, "\n".join(lines) + "\n")
