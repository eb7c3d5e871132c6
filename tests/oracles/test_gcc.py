"""What GCC compiles runs in the simulator, and ends as under Unicorn.

The compiler's own text is the listing. The linker lays data out in another
order than the simulator does, so objects are compared by name, and a word
that points into one is compared as that object and an offset.
"""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from app.sim.layout import KERNEL_BASE, USER_BASE
from app.sim.listing import SLOT, parse_listings
from app.sim.memory import to_physical
from app.sim.physical import WORD, get_physical
from app.sim.start import Start
from tests.oracles.binutils import (
    assemble,
    link,
    read_image,
    require_program,
    run,
)
from tests.oracles.questions import Question, ask
from tests.sim.guest import build, get_vcpu, step

pytest.importorskip(
    "unicorn", reason="unicorn is not installed: pip install unicorn"
)
from tests.oracles.unicorn_core import Core

pytestmark = pytest.mark.oracle

SOURCE = Path(__file__).with_name("compiled.c")
BEGIN = "begin: call main\ndone: jmp done\n"
OLD = ("-march=i686", "-ffreestanding", "-fno-tree-loop-distribute-patterns")
MAXIMUM_STEPS = 60_000
OBJECTS = (
    *("pool", "list", "numbers", "chosen", "text", "copy", "bits"),
    *("results", "seed", "depth", "names", "found", "operations"),
    *("native", "software", "hardware"),
)


class Symbol(NamedTuple):
    """Where something with a name lies, and how many bytes it has."""

    address: int
    size: int


def _compile(directory: Path, options: tuple[str, ...]) -> str:
    """Compile the source to assembler text."""
    require_program("gcc", "gcc gcc-multilib")
    target = directory / "compiled.s"
    command = ["gcc", "-m32", *options, "-masm=intel", "-fno-pic", "-S"]
    done = subprocess.run(
        [*command, "-o", str(target), str(SOURCE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.returncode, done.stderr
    return target.read_text(encoding="ascii")


def _read_sizes(linked: Path) -> dict[str, Symbol]:
    """Read where the objects and functions of a linked file are."""
    symbols = {}
    for line in run(["nm", "-S", str(linked)]).splitlines():
        address, *size, _, name = line.split()
        if size:
            symbols[name] = Symbol(int(address, 16), int(size[0], 16))
    return symbols


def _tell(
    symbols: Mapping[str, Symbol], load: Callable[[int, int], bytes]
) -> dict[str, list[object]]:
    """Tell what all objects hold, with pointers by name."""

    def name(data: bytes) -> object:
        word = int.from_bytes(data, "little")
        for symbol, (address, size) in symbols.items():
            if len(data) == WORD and address <= word < address + size:
                # A function has another length in the simulator.
                return symbol, word - address if symbol in OBJECTS else 0
        return data.hex()

    told: dict[str, list[object]] = {}
    for each in OBJECTS:
        data = load(*symbols[each])
        told[each] = [
            name(data[offset : offset + WORD])
            for offset in range(0, len(data), WORD)
        ]
    return told


def _run_unicorn(
    linked: Path, labels: Mapping[str, int]
) -> dict[str, list[object]]:
    """Run the program on Unicorn."""
    core = Core(read_image(linked))
    end = core.run(labels["begin"], labels["done"], {})
    assert (end.vector, end.registers["eax"]) == (None, 1)
    return _tell(_read_sizes(linked), core.read_bytes)


def _run_simulator(
    text: str, sizes: Mapping[str, Symbol], *, user: bool
) -> dict[str, list[object]]:
    """Run the program in the simulator, in the kernel or as user code."""
    name, base = ("user", USER_BASE) if user else ("kernel", KERNEL_BASE)
    source = {name: (BEGIN + text, base)}
    listing = parse_listings(source, words={}, calls=())[name]
    machine = build(
        "nop" if user else BEGIN + text,
        handlers={"user": BEGIN + text} if user else {},
        start=Start(user=user),
    )
    for _ in range(MAXIMUM_STEPS):
        if get_vcpu(machine).eip == base + SLOT:
            break
        machine = step(machine)
    assert (get_vcpu(machine).eip, get_vcpu(machine).eax) == (base + SLOT, 1)
    places = {**dict(listing.places), **listing.labels}
    symbols = {
        each: Symbol(address, sizes[each].size if each in OBJECTS else 1)
        for each, address in places.items()
        if each in sizes
    }

    def load(address: int, size: int) -> bytes:
        first = to_physical(address)
        return bytes(
            get_physical(machine, place, 1)
            for place in range(first, first + size)
        )

    return _tell(symbols, load)


@pytest.mark.parametrize(
    "options",
    [("-O1",), ("-O0", *OLD), ("-O2", *OLD), ("-Os", *OLD)],
    ids=lambda options: options[0],
)
def test_a_compiled_program_leaves_the_same_memory(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """All objects hold the same in the end, in either ring."""
    text = _compile(tmp_path, options)
    placing = [f"-Ttext={KERNEL_BASE:#x}", "-e", "0", "-N"]
    linked, labels = link(assemble(tmp_path, BEGIN + text), placing, {})
    expected = _run_unicorn(linked, labels)
    assert expected["found"] != ["00000000"]
    sizes = _read_sizes(linked)
    for user in (False, True):
        assert _run_simulator(text, sizes, user=user) == expected


def test_a_compiled_program_can_be_a_question(tmp_path: Path) -> None:
    """Its text is a listing as it is, and an outcome reads its data."""
    text = _compile(tmp_path, ("-O1",))
    question = Question(code={"kernel": BEGIN + text})
    outcomes = {
        "ends": "at done and eax == 1",
        "counted": "results[1] == 34 and depth == 9",
        "sorted": "numbers[0] == -9 and numbers[15] == 40000",
        "listed": "list == 0",
    }
    for platform in ("native", "software"):
        answers = ask(question, outcomes, when="end", platform=platform)
        assert answers.pop("listed") == "never"
        assert set(answers.values()) == {"always"}
