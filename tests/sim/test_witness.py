"""A witness is told so that a kernel engineer can follow it."""

from app.sim.report import WitnessStep
from app.sim.witness import is_telling, name_vector
from tests.sim.guest import ask


def _tell(
    kernel: str, outcome: str, platform: int = 0, rest: str = "", **code: str
) -> tuple[WitnessStep, ...]:
    report = ask(kernel, {"it": outcome}, rest=rest, **code)
    witness = report.platforms[platform].answers["it"].witness
    assert witness is not None
    return witness


def test_a_fault_is_named() -> None:
    """The step that faults says with what."""
    (step,) = _tell("ud2\nnop", "at ud", ud="nop")
    assert step.text == "ud2: #UD"
    assert step.lane == "hardware"
    steps = _tell("mov ecx, 0x1234\nrdmsr", "at gp", gp="nop")
    assert steps[-1].text == "rdmsr: #GP(0x0)"


def test_what_no_event_brings_is_named_by_its_vector() -> None:
    """A vector that is that of no line and no exception has its number."""
    assert name_vector(0x2F) == "irq15"
    assert name_vector(0xF0) == "vector 0xf0"


def test_a_delivery_is_told_with_its_event() -> None:
    """Delivery has the clause that made it due."""
    for event, clause in (
        ("nmi", "SDM vol. 3A, 6.7"),
        ("irq3", "SDM vol. 3A, 6.8.1"),
    ):
        (step,) = _tell(
            "nop",
            f"at {event}",
            rest=f"[start]\npending = ['{event}']",
            nmi="nop",
            irq3="nop",
        )
        assert step.kind == "delivery"
        assert step.text == f"delivery of {event}"
        assert step.clause == clause


def test_a_hypervisor_delivers_in_its_own_lane() -> None:
    """Under a hypervisor delivery is its work."""
    (step,) = _tell(
        "nop",
        "at irq0",
        platform=1,
        rest="[start]\npending = ['irq0']",
        irq0="nop",
    )
    assert (step.lane, step.clause) == ("hypervisor", "RFC 2.5")
    assert step.way == "delivery"


def test_user_code_has_its_lane() -> None:
    """Steps at CPL 3 are the user's."""
    (step,) = _tell(
        "nop", "eax == 1", rest="[start]\nmode = 'user'", user="mov eax, 1"
    )
    assert (step.lane, step.line) == ("user", ("user", 1))


def test_events_of_time_are_told_in_words() -> None:
    """Suspension is no interrupt."""
    (step,) = _tell(
        "there: jmp there", "wallclock > 0", rest="[events]\nsuspend = 1"
    )
    assert step.text == "suspended and resumed"
    assert (step.kind, step.clause) == ("arrival", "RFC 2.12")
    assert step.way == "arrival"


def test_native_instructions_name_their_call() -> None:
    """Where a call is left native both are told."""
    steps = _tell("call VMI_Halt", "halted")
    assert [step.text for step in steps] == [
        "sti (call VMI_Halt)",
        "hlt (call VMI_Halt)",
    ]


def test_the_code_of_a_slot_is_told_as_the_rom() -> None:
    """A jump into the ROM names the call that lies there."""
    steps = _tell("mov eax, 0xC00C8480\ncall eax", "if == 0", platform=1)
    assert steps[-1].at == "ROM+0x480"
    assert steps[-1].text == "ROM code of VMI_DisableInterrupts"


def test_a_way_into_a_gap_ends_with_the_step_that_is_missing() -> None:
    """The last step says what could not be carried out."""
    steps = _tell("nop\ncall VMI_SetAlarm", "eax == 1")
    assert steps[-1].text == "call VMI_SetAlarm"
    assert steps[-1].changes == {}


def test_the_middle_of_a_long_way_is_one_step() -> None:
    """A witness is bounded, and its changes still lead to its end."""
    report = ask(
        "mov ecx, 2000\nthere: dec ecx\njnz there\nmov eax, 1\nnop",
        {"it": "eax == 1"},
        rest="[platforms.native]",
    )
    platform = report.platforms[0]
    witness = platform.answers["it"].witness
    assert witness is not None
    assert len(witness) == 999
    assert witness[499].text == "(3004 transitions)"
    assert [witness[498].way, witness[499].way] == ["instruction", ""]
    state: dict[str, int | None] = dict(platform.initial)
    for step in witness:
        for name, (before, after) in step.changes.items():
            assert state.get(name) == before
            state[name] = after
    assert state["eax"] == 1
    assert state["ecx"] == 0


def test_telling_clauses() -> None:
    """Integer code decides nothing; calls and system code do."""
    assert is_telling("RFC A / VMI_Halt")
    assert is_telling("SDM vol. 2A, HLT")
    assert is_telling("SDM vol. 3A, 6.7")
    assert not is_telling("SDM vol. 2A, ADD")
