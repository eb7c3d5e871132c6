"""Several processors: where they begin, how they interleave, what is told."""

import pytest

from app.sim import Report, ScenarioError, explore, parse_scenario
from app.sim.explore import build_initial
from app.sim.layout import get_kernel_stack_top, get_user_stack_top
from app.sim.machine import Machine
from app.sim.platforms import build_platform
from app.sim.startup import WAIT_FOR_INIT, WAIT_FOR_STARTUP
from tests.sim.guest import ask, get_answers

NATIVE = "[platforms.native]\n"
COUNT = "[data]\ncount = 0\n"
INCREMENT = "mov eax, [count]\ninc eax\nmov [count], eax\nthere: jmp there"
MANY = 'kernel1 = "nop"\nkernel2 = "nop"\nkernel3 = "nop"\n'


def _parse(
    rest: str, code: str = 'kernel1 = "nop"', is_: str = "halted"
) -> str:
    return (
        f'question = "?"\n[code]\nkernel = "hlt"\n{code}\n'
        f'[outcomes]\nit = {{ is = "{is_}" }}\n{rest}'
    )


def _build(rest: str = "", code: str = 'kernel1 = "nop"') -> Machine:
    scenario = parse_scenario(_parse(rest, code), slug="test")
    host = build_platform("native", {})
    (machine,) = build_initial(scenario, scenario.start, host)
    return machine


def _ask(kernel: str, outcome: str, rest: str = COUNT, **code: str) -> Report:
    return ask(kernel, {"it": outcome}, rest=rest + NATIVE, **code)


def _get_answer(report: Report) -> str:
    (answer,) = get_answers(report, "it").values()
    return answer


def test_each_listing_is_the_entry_of_a_processor() -> None:
    """Each processor begins in its listing, on stacks of its own."""
    machine = _build(code=MANY)
    assert len(machine.vcpus) == 4
    assert len({vcpu.eip for vcpu in machine.vcpus}) == 4
    for cpu, vcpu in enumerate(machine.vcpus):
        top = get_kernel_stack_top(cpu)
        assert (vcpu.esp, vcpu.esp0) == (top, top)
        assert dict(vcpu.msrs)[0x175] == top


def test_a_processor_takes_what_it_lacks_from_the_first() -> None:
    """Its table goes over [start], but for where it begins."""
    machine = _build(
        "[start]\nat = 'there'\ninterrupts = false\nregisters = { eax = 1 }\n"
        "[start.cpu1]\nregisters = { ebx = 2 }\n",
        code='kernel1 = "nop\\nthere: nop"',
    )
    first, second = machine.vcpus
    assert (first.eax, second.eax, second.ebx) == (1, 0, 2)
    assert first.flags == second.flags
    assert first.eip == second.eip + 16


def test_a_processor_may_begin_in_user_code() -> None:
    """In the listing of its number, at CPL 3, on its user stack."""
    machine = _build(
        "[start.cpu1]\nmode = 'user'\n", code='user1 = "nop"\nuser = "nop"'
    )
    vcpu = machine.vcpus[1]
    assert (vcpu.cpl, vcpu.esp) == (3, get_user_stack_top(1))
    assert machine.board.code[vcpu.eip].statement.text == "nop"


def test_a_processor_that_waits_needs_no_listing() -> None:
    """It begins where it is told to."""
    machine = _build(
        "[start.cpu1]\nstartup = 'wait-for-init'\n"
        "[start.cpu2]\nstartup = 'wait-for-startup'\n",
        code="",
    )
    assert [vcpu.startup for vcpu in machine.vcpus] == [
        0,
        WAIT_FOR_INIT,
        WAIT_FOR_STARTUP,
    ]


@pytest.mark.parametrize(
    ("rest", "code", "words"),
    [
        ("", 'kernel4 = "nop"', "'kernel4' is unknown"),
        ("", 'kernel2 = "nop"', "'kernel1' is unknown"),
        ("[start.cpu1]\nmode = 'user'", "", "'user1' is unknown"),
        ("[start.cpu4]\nat = 'kernel'", "", "'cpu4' is unknown"),
        ("[start.cpu1]\npending = []", 'kernel1 = "nop"', "'pending'"),
        ("[start]\nstartup = 'running'", "", "'startup'"),
        ("[start.cpu1]\nstartup = 'off'", "", "'off' is unknown"),
    ],
)
def test_a_processor_that_cannot_be(rest: str, code: str, words: str) -> None:
    """An error says what is unknown, and where."""
    with pytest.raises(ScenarioError, match=words):
        parse_scenario(_parse(rest, code), slug="test")


def test_an_update_is_lost_without_a_lock() -> None:
    """Two processors that read, add and write interleave."""
    report = _ask(
        INCREMENT,
        "end: count == 1",
        kernel1=INCREMENT.replace("there", "here"),
    )
    assert _get_answer(report) == "sometimes"


def test_a_locked_instruction_is_one_step() -> None:
    """With LOCK no update is lost."""
    code = "lock inc dword ptr [count]\nthere: jmp there"
    report = _ask(
        code, "end: count == 2", kernel1=code.replace("there", "here")
    )
    assert _get_answer(report) == "always"


SPIN = """
{name}:  mov eax, 1
         xchg eax, [lock_word]
         test eax, eax
         jnz {name}
{name}in: mov dword ptr [lock_word], 0
{name}out: jmp {name}out
"""


def test_a_spin_lock_excludes() -> None:
    """The two are never inside together, and each may get in."""
    lock = "[data]\nlock_word = 0\n"
    codes = (SPIN.format(name="left"), SPIN.format(name="right"))
    both = _ask(
        codes[0], "at leftin and cpu1.at rightin", lock, kernel1=codes[1]
    )
    assert _get_answer(both) == "never"
    out = _ask(
        codes[0],
        "end: at leftout and cpu1.at rightout",
        lock,
        kernel1=codes[1],
    )
    assert _get_answer(out) == "always"


def test_each_processor_keeps_running() -> None:
    """One that can run does, however long another loops."""
    report = _ask(
        "there: jmp there",
        "count == 1",
        kernel1="mov dword ptr [count], 1\nhlt",
    )
    assert _get_answer(report) == "always"
    report = _ask(
        "there: cmp dword ptr [count], 1\njne there\nhlt",
        "end: halted",
        kernel1="nop\nmov dword ptr [count], 1\nhere: jmp here",
    )
    assert _get_answer(report) == "always"


def test_a_witness_names_the_processor_of_each_step() -> None:
    """Its text, place and changes are those of that processor."""
    report = _ask("here: jmp here", "cpu1.eax == 5", kernel1="mov eax, 5")
    witness = report.platforms[0].answers["it"].witness
    assert witness is not None
    (step,) = witness
    assert (step.cpu, step.text, step.line) == (
        1,
        "mov eax, 5",
        ("kernel1", 1),
    )
    assert step.changes["cpu1.eax"] == (0, 5)
    assert "eax" not in step.changes
    assert report.platforms[0].initial["cpu1.eax"] == 0


def test_a_gap_names_the_processor_that_met_it() -> None:
    """The last step is that of the processor that cannot go on."""
    report = _ask("here: jmp here", "eax == 5", kernel1="mov eax, [0x10]")
    witness = report.platforms[0].answers["it"].witness
    assert witness is not None
    assert (witness[-1].cpu, witness[-1].text) == (1, "mov eax, [0x10]")


def test_a_processor_that_never_starts_adds_no_state() -> None:
    """With one that waits the search goes through the same states."""
    code = {
        "kernel": "idle: cli\ncmp dword ptr [work], 0\njne busy\nsti\nhlt\n"
        "jmp idle\nbusy: dec dword ptr [work]\nsti\njmp idle",
        "irq0": "inc dword ptr [work]\niretd",
    }
    sizes = []
    for rest in ("", "[start.cpu1]\nstartup = 'wait-for-init'\n"):
        report = ask(
            code["kernel"],
            {"it": "halted and work > 0"},
            rest=f"[data]\nwork = 0\n{rest}[events]\nirq0 = 2\n",
            irq0=code["irq0"],
        )
        sizes.append(
            [(each.states, each.transitions) for each in report.platforms]
        )
    assert sizes[0] == sizes[1]


def test_variants_may_add_what_a_processor_has() -> None:
    """The table of a processor in a variant goes over the scenario's."""
    text = _parse(
        "[variants.other]\nplatform = 'native'\n"
        "start = { cpu1 = { registers = { eax = 9 } } }\n",
        code='kernel1 = "hlt"',
        is_="cpu1.eax == 9",
    )
    report = explore(parse_scenario(text, slug="test"), platforms=["native"])
    assert get_answers(report, "it") == {"native": "never", "other": "always"}
