"""Answers are the CTL questions under weak fairness, as the design says."""

from tests.sim.guest import ask, get_answers

NATIVE = "[platforms.native]"
ASYNC = """
[platforms.software.policies]
interrupt_delivery = "asynchronous"
"""
FOREVER = "there: nop\njmp there"
HANDLER = "mov dword ptr [seen], 1\niretd"
EXIT = "mov dword ptr [seen], 1\ncall VMI_IRET"
DATA = "[data]\nseen = 0\n"


def _ask(
    kernel: str, outcome: str, rest: str = NATIVE, **listings: str
) -> str:
    (answer,) = get_answers(
        ask(kernel, {"it": outcome}, rest=rest, **listings), "it"
    ).values()
    return answer


def test_always_and_never_without_events() -> None:
    """One execution: what happens in it always does, the rest never."""
    code = "mov eax, 1\nmov eax, 2\ncli\nhlt"
    assert _ask(code, "eax == 1") == "always"
    assert _ask(code, "eax == 3") == "never"
    assert _ask(code, "end: eax == 2") == "always"
    assert _ask(code, "end: eax == 1") == "never"


def test_an_event_may_arrive_or_not() -> None:
    """What hangs on an event that need not arrive happens sometimes."""
    rest = DATA + "[events]\nirq0 = 1\n" + NATIVE
    assert _ask(FOREVER, "seen == 1", rest, irq0=HANDLER) == "sometimes"
    assert _ask(FOREVER, "end: seen == 1", rest, irq0=HANDLER) == "sometimes"


def test_an_event_that_must_arrive_does() -> None:
    """With must it happens always, at whatever point."""
    rest = DATA + "[events]\nirq0 = { budget = 1, must = true }\n" + NATIVE
    assert _ask(FOREVER, "seen == 1", rest, irq0=HANDLER) == "always"
    assert _ask(FOREVER, "end: seen == 1", rest, irq0=HANDLER) == "always"
    assert _ask("cli\n" + FOREVER, "seen == 1", rest, irq0=HANDLER) == (
        "sometimes"
    )


def test_all_of_a_budget_must_arrive() -> None:
    """Must is about each of the events."""
    rest = DATA + "[events]\nirq0 = { budget = 2, must = true }\n" + NATIVE
    code = "inc dword ptr [seen]\niretd"
    halt = "there: hlt\njmp there"
    assert _ask(halt, "seen >= 1", rest, irq0=code) == "always"
    # Two requests of one line may be latched as one.
    assert _ask(halt, "seen == 2", rest, irq0=code) == "sometimes"


def test_a_runnable_processor_keeps_running() -> None:
    """Weak fairness: a processor does not stop before its next step."""
    assert _ask("nop\nmov eax, 7\nhlt", "eax == 7") == "always"


def test_a_possible_delivery_is_taken_in_the_end() -> None:
    """Asynchronous delivery may be late but not for ever."""
    rest = "[start]\npending = ['irq0']\n" + DATA + ASYNC
    assert _ask(FOREVER, "seen == 1", rest, irq0=EXIT) == "always"
    assert _ask("nop\nnop\n" + FOREVER, "seen == 1", rest, irq0=EXIT) == (
        "always"
    )


def test_a_delivery_that_is_masked_again_and_again_may_starve() -> None:
    """Weak fairness asks nothing of what is not possible all the time."""
    rest = "[start]\npending = ['irq0']\ninterrupts = false\n" + DATA + ASYNC
    code = (
        "there: call VMI_EnableInterrupts\ncall VMI_DisableInterrupts\n"
        "jmp there"
    )
    assert _ask(code, "seen == 1", rest, irq0=EXIT) == "sometimes"


def test_the_end_is_a_state_that_is_never_left() -> None:
    """Halted for good, shut down, looping for ever."""
    assert _ask("cli\nhlt", "end: halted") == "always"
    assert _ask("ud2", "end: shutdown") == "always"
    assert _ask(FOREVER, "end: eip > 0") == "always"
    # No state of a loop is the one in which it ends.
    assert _ask(FOREVER, "end: at there") == "never"


def test_a_halt_that_an_event_may_end_can_be_the_end() -> None:
    """An event that need not arrive does not end a halt for sure."""
    rest = "[events]\nirq0 = 1\n" + NATIVE
    code = "hlt\ncli\nmov eax, 1\nhlt"
    assert _ask(code, "end: halted and eax == 0", rest, irq0="iretd") == (
        "sometimes"
    )


def test_beyond_a_gap_nothing_is_known() -> None:
    """What is settled before a gap is answered, the rest is not."""
    code = "mov eax, 1\ncall VMI_SwapPte\nmov eax, 2"
    assert _ask(code, "eax == 1") == "always"
    assert _ask(code, "eax == 2") == "not-modelled"
    assert _ask(code, "end: eax == 1") == "not-modelled"


def test_a_gap_on_one_way_only() -> None:
    """What one execution has is sometimes so, whatever the others have."""
    rest = "[events]\nirq0 = { budget = 1, must = true }\n" + NATIVE
    code = "nop\nnop\ncli\nmov eax, 1\nhlt"
    gap = "call VMI_SwapPte"
    assert _ask(code, "eax == 1", rest, irq0=gap) == "not-modelled"
    rest = "[events]\nirq0 = 1\n" + NATIVE
    assert _ask(code, "eax == 0", rest, irq0=gap) == "always"
