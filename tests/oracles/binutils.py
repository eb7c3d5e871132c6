"""GNU as and ld as the tests use them: Intel syntax in, bytes out."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.sim.listing import SLOT


def require_program(program: str, package: str) -> None:
    """Skip the test if a program is missing; say how to get it."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")


def assemble(directory: Path, text: str) -> Path:
    """Assemble a text of Intel syntax to an object file.

    Symbols that the text leaves open, such as the calls of the VMI, stay
    open in the object.
    """
    require_program("as", "binutils")
    source = directory / "code.s"
    # The directive, not the option, makes as read fs:[4] and 0x60:label.
    source.write_text(f".intel_syntax noprefix\n{text}", encoding="ascii")
    target = directory / "code.o"
    run(["as", "--32", "-o", str(target), str(source)])
    return target


def link(
    target: Path, options: list[str], symbols: Mapping[str, int]
) -> tuple[Path, dict[str, int]]:
    """Link an object; return the linked file and where its labels are.

    ``symbols`` gives the addresses of what the object leaves open.
    """
    linked = target.with_name("linked")
    defined = [f"--defsym={name}={value}" for name, value in symbols.items()]
    command = ["ld", "-m", "elf_i386", *options, *defined]
    run([*command, "-o", str(linked), str(target)])
    labels = {}
    for line in run(["nm", str(linked)]).splitlines():
        address, _, name = line.split()
        labels[name] = int(address, 16)
    return linked, labels


def read_image(linked: Path) -> bytes:
    """Return the bytes of a linked file as they lie in memory."""
    image = linked.with_name("image.bin")
    run(["objcopy", "-O", "binary", str(linked), str(image)])
    return image.read_bytes()


def mark(name: str, text: str) -> str:
    """Put a label of its own before each statement of a listing.

    `get_slots` then says which statement an address is, for a real assembler
    packs statements that the simulator gives a slot of fixed size each.
    """
    lines = []
    count = 0
    for line in text.splitlines():
        label, colon, rest = line.partition("#")[0].rpartition(":")
        lines += [f"{label.strip()}:"] if colon else []
        if rest.strip():
            lines += [f"{name}.{count}:", rest.strip()]
            count += 1
    lines.append(f"{name}.{count}:")
    return "\n".join(lines) + "\n"


def get_slots(
    labels: Mapping[str, int], bases: Mapping[str, int]
) -> dict[int, int]:
    """Map the address of each marked statement to the simulator's.

    ``bases`` says where the simulator has the listings.
    """
    slots = {}
    for label, address in labels.items():
        name, dot, number = label.rpartition(".")
        if dot:
            slots[address] = bases[name] + SLOT * int(number)
    return slots


def run(command: list[str]) -> str:
    """Run a program of binutils; its complaint is the error."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.returncode, f"{command[0]}: {done.stderr}"
    return done.stdout
