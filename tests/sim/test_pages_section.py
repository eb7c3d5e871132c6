"""The sections [paging] and [pages]: what they declare, what they refuse."""

import pytest

from app.sim import ScenarioError, parse_scenario
from app.sim.page_tables import get_frame
from app.sim.scenario import Scenario
from tests.sim.guest import ask, get_answers

OUTCOME = '[outcomes]\nthere = { is = "at stop" }\n'


def read(sections: str, kernel: str = "stop: jmp stop") -> Scenario:
    """Parse a question with these sections."""
    code = f"[code]\nkernel = '''\n{kernel}\n'''\n"
    text = f'question = "?"\n{code}{OUTCOME}{sections}'
    return parse_scenario(text, slug="pages")


def test_a_page_has_defaults() -> None:
    """It is present and writable, the kernel's own, at the next address."""
    scenario = read("[paging]\n[pages.one]\n[pages.two]\nuser = true\n")
    paging = scenario.start.paging
    assert paging is not None
    assert not paging.pae
    one, two = paging.pages
    assert (one.linear, one.frame) == (0xD000_0000, get_frame(0))
    assert one.entry == get_frame(0) | 0x3
    assert (two.linear, two.frame) == (0x4000_1000, get_frame(1))
    assert two.entry == get_frame(1) | 0x7


def test_a_page_as_it_is_declared() -> None:
    """Each switch is a bit of the entry; frames may be shared."""
    sections = """
[paging]
mode = "pae"
[pages.one]
present = false
[pages.two]
linear = 0x50000000
frame = "one"
user = true
write = false
global = true
"""
    paging = read(sections).start.paging
    assert paging is not None
    assert paging.pae
    one, two = paging.pages
    assert one.entry == 0
    assert two.linear == 0x5000_0000
    assert two.entry == get_frame(0) | 0x105


def test_variants_have_the_paging_of_the_question() -> None:
    """A start of a variant's own does not turn it off."""
    sections = """
[paging]
[variants.other]
platform = "native"
start = { interrupts = false }
"""
    (variant,) = read(sections).variants
    assert variant.start is not None
    assert variant.start.paging == read(sections).start.paging


def test_listings_name_pages_frames_and_entries() -> None:
    """The symbols of a page are those of the tables that are built."""
    kernel = """
        mov     eax, dword ptr [spot_pte]
        cmp     eax, offset spot_frame + 0x3
        jne     wrong
        mov     dword ptr [spot], 5
        mov     eax, dword ptr [spot_pte]
        cmp     eax, offset spot_frame + 0x63
        jne     wrong
        mov     ebx, offset spot_frame
        cmp     dword ptr [ebx + 0xc0000000], 5
        jne     wrong
        mov     eax, offset page_directory - 0
        mov     ecx, cr3
        lea     ecx, [ecx + 0xc0000000]
        cmp     eax, ecx
        jne     wrong
right:  jmp     right
wrong:  jmp     wrong
"""
    for mode in ("32", "pae"):
        report = ask(
            kernel,
            {"right": "end: at right"},
            rest=f'[paging]\nmode = "{mode}"\n[pages.spot]\n',
        )
        assert set(get_answers(report, "right").values()) == {"always"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ("[pages.one]\n", "'pages' is unknown here"),
        ('[paging]\nmode = "64"\n', "'64' is unknown here"),
        ("[paging]\nsize = 3\n", "'size' is unknown here"),
        ("[paging]\n[pages.eax]\n", "cannot be called 'eax'"),
        ("[paging]\n[pages.kernel]\n", "name of a data word or listing"),
        ("[paging]\n[pages.page_directory]\n", "means something already"),
        ("[paging]\n[pages.a]\n[pages.a_pte]\n", "means something already"),
        ("[paging]\n[pages.a_pte]\n[pages.a]\n", "means something already"),
        ("[paging]\n[pages.a]\nlinear = 5\n", "not where a page begins"),
        (
            "[paging]\n[pages.a]\nlinear = 0xc0100000\n",
            "lies the kernel's map of memory",
        ),
        ("[paging]\n[pages.a]\nlinear = 0x08049000\n", "lies user code"),
        (
            "[paging]\n[pages.a]\n[pages.b]\nlinear = 0xd0000000\n",
            "lies a",
        ),
        ('[paging]\n[pages.a]\nframe = "b"\n', "'b' is unknown here"),
        ("[paging]\n[pages.a]\nlinear = -4096\n", "whole number|out of range"),
        (
            "[paging]\n" + "".join(f"[pages.p{i}]\n" for i in range(17)),
            "pages",
        ),
    ],
)
def test_what_is_refused(sections: str, message: str) -> None:
    """An error says what is wrong and where."""
    with pytest.raises(ScenarioError, match=message) as caught:
        read(sections)
    assert caught.value.line > 1
    assert caught.value.expected
