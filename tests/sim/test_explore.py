"""A report is complete, reproducible, and says what limited it."""

import json
import pickle
from typing import Any

import pytest

from app.sim import (
    MODEL,
    POLICIES,
    Limits,
    Progress,
    explore,
    parse_scenario,
)
from app.sim.explore import list_verdicts, require_known
from tests.sim.guest import ask, get_answers

IDLE = """
question = "Can the idle loop sleep although work is pending?"
about = ["VMI_EnableInterrupts", "VMI_Halt"]
[code]
kernel = '''
idle:   call VMI_DisableInterrupts
        cmp dword ptr [work], 0
        jne busy
        call VMI_EnableInterrupts
        hlt
        jmp idle
busy:   mov dword ptr [work], 0
        call VMI_EnableInterrupts
        jmp idle
'''
irq0 = '''
        mov dword ptr [work], 1
        call VMI_IRET
'''
[data]
work = 0
[events]
irq0 = 1
[outcomes]
sleeps = { when = "end", is = "halted and work == 1 and not pending" }
works = { is = "at busy" }
[variants.rom]
platform = "hardware"
policies = { translation = "rom" }
[variants.late]
platform = "software"
policies = { interrupt_delivery = "asynchronous" }
"""
SCENARIO = parse_scenario(IDLE, slug="idle-loop")


def _dump(report: Any) -> str:
    return json.dumps(report.to_dict())


def test_the_idle_loop() -> None:
    """The wake-up is lost where enabling delivers and HLT is apart."""
    answers = get_answers(explore(SCENARIO), "sleeps")
    assert answers == {
        "native": "never",
        "software": "sometimes",
        "hardware": "never",
        "translator": "never",
        "rom": "sometimes",
        "late": "sometimes",
    }


def test_the_idle_loop_with_vmi_halt() -> None:
    """Enabling and halting in one step loses nothing."""
    text = IDLE.replace(
        "        call VMI_EnableInterrupts\n        hlt",
        "        call VMI_Halt",
    )
    answers = get_answers(
        explore(parse_scenario(text, slug="idle-loop")), "sleeps"
    )
    assert set(answers.values()) == {"never"}


def test_the_shape_of_a_report() -> None:
    """Keys stand in the order of the interface."""
    report = explore(SCENARIO, platforms=["software"]).to_dict()
    assert list(report) == [
        "id",
        "model",
        "scenario",
        "question",
        "limits",
        "platforms",
    ]
    assert report["model"] == MODEL
    platforms: Any = report["platforms"]
    assert [p["variant"] for p in platforms] == [None, "late"]
    assert list(platforms[0]) == [
        "platform",
        "variant",
        "policies",
        "relevant",
        "states",
        "transitions",
        "limit",
        "initial",
        "answers",
    ]
    assert platforms[0]["policies"].keys() == POLICIES.keys()
    assert platforms[0]["relevant"] == ["interrupt_delivery"]
    assert list(platforms[0]["answers"]["sleeps"]) == [
        "answer",
        "clauses",
        "witness",
        "counter",
        "readings",
        "settled",
    ]


def test_the_same_input_gives_the_same_bytes() -> None:
    """Nothing of the machine that runs it shows."""
    again = parse_scenario(IDLE, slug="idle-loop")
    assert _dump(explore(SCENARIO)) == _dump(explore(again))


def test_a_report_travels_between_processes() -> None:
    """Scenario and report can be pickled."""
    scenario = pickle.loads(pickle.dumps(SCENARIO))  # noqa: S301 - our own
    report = explore(scenario)
    copy = pickle.loads(pickle.dumps(report))  # noqa: S301 - our own
    assert _dump(copy) == _dump(explore(SCENARIO))


def test_the_id_is_that_of_what_was_asked() -> None:
    """Text, platforms, policies and limits each change it."""
    other = parse_scenario(IDLE.replace("irq0 = 1", "irq0 = 2"), slug="idle")
    ids = {
        explore(SCENARIO).id,
        explore(other).id,
        explore(SCENARIO, platforms=["native"]).id,
        explore(SCENARIO, policies={"tsc": "trap"}).id,
        explore(SCENARIO, limits=Limits(states=50_000)).id,
    }
    assert len(ids) == 5
    assert all(len(each) == 64 for each in ids)


def test_changes_lead_from_state_to_state() -> None:
    """Each step changes what the one before left, from the initial state."""
    for platform in explore(SCENARIO).platforms:
        for answer in platform.answers.values():
            for path in (answer.witness or (), answer.counter or ()):
                state: dict[str, int | None] = dict(platform.initial)
                for step in path:
                    assert step.changes or step.text == "nop"
                    for name, (before, after) in step.changes.items():
                        assert state.get(name) == before, name
                        state[name] = after


def test_a_witness_tells_its_steps() -> None:
    """Arrival, call and handler are told with place, line and clause."""
    report = explore(SCENARIO, platforms=["software"])
    witness = report.platforms[0].answers["sleeps"].witness
    assert witness is not None
    arrival = next(step for step in witness if step.kind == "arrival")
    assert arrival.text == "arrival of irq0"
    assert arrival.clause == "RFC 2.5"
    call = next(s for s in witness if "EnableInterrupts" in s.text)
    assert (call.at, call.text) == ("idle+3", "call VMI_EnableInterrupts")
    assert call.clause == "RFC A / VMI_EnableInterrupts"
    assert (call.lane, call.line) == ("hypervisor", ("kernel", 4))
    assert witness[-1].text == "hlt"


def test_a_first_witness_is_a_shortest_one() -> None:
    """No execution comes to the outcome in fewer transitions."""
    report = ask(
        "nop\nnop\nmov eax, 1\nthere: jmp there",
        {"it": "eax == 1"},
        rest="[events]\nirq0 = 3",
        irq0="mov eax, 1\niretd",
    )
    witness = report.platforms[0].answers["it"].witness
    assert witness is not None
    assert [step.kind for step in witness] == ["step", "step", "step"]


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(states=20), "states"),
        (Limits(transitions=1), "transitions"),
        (Limits(seconds=1e-9), "seconds"),
    ],
)
def test_a_limit_is_named_and_is_no_answer(limits: Limits, name: str) -> None:
    """A search that was cut off settles only what it has seen."""
    text = IDLE.replace("irq0 = 1", "irq0 = 200").replace(
        "mov dword ptr [work], 1", "inc dword ptr [work]"
    )
    report = explore(
        parse_scenario(text, slug="idle"), platforms=["native"], limits=limits
    )
    assert report.platforms[0].limit == name
    assert get_answers(report, "sleeps") == {
        "native": "limit",
    }


def test_a_run_can_be_stopped() -> None:
    """It says that it was."""
    report = explore(SCENARIO, should_stop=lambda _: True)
    assert {p.limit for p in report.platforms} == {"stopped"}


def test_a_report_is_bounded() -> None:
    """Many outcomes on many platforms share what is told of witnesses."""
    report = ask(
        "mov ecx, 200\nthere: dec ecx\njnz there\nmov eax, 1\nnop",
        {f"a{number}": "eax == 1" for number in range(32)},
    )
    for platform in report.platforms:
        for answer in platform.answers.values():
            assert answer.answer == "always"
            assert answer.witness is not None
            assert len(answer.witness) < 20_000 // (2 * 32 * 3)


def test_asking_the_graph_can_be_stopped_too() -> None:
    """What was not asked by then has no answer."""
    calls: list[int] = []

    def should_stop(_: Progress) -> bool:
        calls.append(1)
        return len(calls) > 2

    report = explore(
        SCENARIO, platforms=["native"], should_stop=should_stop
    ).platforms[0]
    assert report.limit == "stopped"
    assert [a.answer for a in report.answers.values()] == ["never", "limit"]


@pytest.mark.parametrize("name", ["states", "transitions", "seconds"])
def test_limits_are_bounded(name: str) -> None:
    """Nobody waits for ever."""
    values: dict[str, Any] = {name: 10**9}
    with pytest.raises(ValueError, match=name):
        Limits(**values)
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


def test_unknown_names_are_refused() -> None:
    """The error says what there is."""
    with pytest.raises(ValueError, match="there are native, software"):
        require_known(["vax"], {})
    with pytest.raises(ValueError, match="no policy 'x'"):
        require_known([], {"x": "y"})
    with pytest.raises(ValueError, match="it can be on, off"):
        explore(SCENARIO, policies={"cpuid_mask": "maybe"})


MISSING = """
[start]
registers = { ecx = 0x1234 }
"""


def test_a_missing_word_is_read_in_each_way() -> None:
    """Where readings differ the RFC has not answered."""
    report = ask(
        "call VMI_RDMSR\ncli\nhlt",
        {"faults": "ebx == 7", "ends": "halted"},
        rest=MISSING,
        gp="mov ebx, 7\ncli\nthere: hlt",
    )
    answer = report.platforms[1].answers["faults"]
    assert answer.answer == "unspecified"
    assert answer.readings == {
        "fault": "always",
        "zero": "never",
        "pass-through": "always",
    }
    assert answer.witness is not None
    assert answer.witness[-1].clause.startswith("RFC Appendix A")
    assert answer.witness[-1].changes == {}
    # Both readings come to a halt: the missing word does not matter.
    ends = report.platforms[1].answers["ends"]
    assert ends.answer == "always"
    assert ends.readings == {}
    assert ends.witness is not None
    assert ends.witness[-1].text == "hlt"
    assert ends.settled == {"unimplemented_msr": "fault"}
    assert ends.to_dict()["settled"] == ends.settled
    assert answer.settled == {}
    assert get_answers(report, "faults")["native"] == "always"
    assert "unimplemented_msr" in report.platforms[1].relevant


def test_a_reading_that_meets_a_limit_is_no_answer() -> None:
    """Readings are compared only where each of them is settled."""
    text = (
        'question = "?"\n[code]\nkernel = """\ncall VMI_RDMSR\n'
        'there: inc eax\njmp there\n"""\n[outcomes]\n'
        'it = { is = "ebx == 1" }\n[platforms.software]\n' + MISSING
    )
    report = explore(
        parse_scenario(text, slug="asked"), limits=Limits(states=50)
    )
    assert report.platforms[0].limit is None
    assert get_answers(report, "it") == {"software": "limit"}


def test_a_policy_settles_a_missing_word() -> None:
    """With a reading chosen there is an answer."""
    report = ask(
        "call VMI_RDMSR\ncli\nhlt",
        {"zero": "eax == 0 and halted"},
        rest=MISSING + "[policies]\nunimplemented_msr = 'zero'",
    )
    assert get_answers(report, "zero")["software"] == "always"


def test_what_is_pending_at_the_start_has_arrived() -> None:
    """An NMI that the hypervisor keeps to itself is not pending."""
    report = ask(
        "nop\ncli\nhlt",
        {"nmi": "eax == 1"},
        rest="[start]\npending = ['nmi']",
        nmi="mov eax, 1\ncli\nhlt",
    )
    assert get_answers(report, "nmi") == {
        "native": "always",
        "software": "never",
        "hardware": "never",
        "translator": "never",
    }


def test_what_cannot_happen_at_the_start_is_left_out() -> None:
    """No alarm is armed, and a machine that has stopped takes no NMI."""
    report = ask(
        "nop\ncli\nhlt",
        {"goes-on": "halted", "stopped": "stopped"},
        rest="[start]\npending = ['alarm', 'steal', 'mce', 'nmi']",
        nmi="jmp nmi",
    )
    assert get_answers(report, "stopped") == {
        "native": "never",
        "software": "always",
        "hardware": "always",
        "translator": "always",
    }
    assert set(get_answers(report, "goes-on").values()) == {"never"}


def test_a_long_search_tells_how_far_it_is() -> None:
    """Progress names the case, and its states never become fewer."""
    told: list[Progress] = []

    def note(progress: Progress) -> bool:
        told.append(progress)
        return False

    explore(
        parse_scenario(
            'question = "?"\n[code]\nkernel = """\nthere: inc eax\n'
            'jmp there\n"""\n[outcomes]\nit = { is = "ebx == 1" }\n',
            slug="counts",
        ),
        platforms=["native"],
        limits=Limits(states=3000),
        should_stop=note,
    )
    assert {each.platform for each in told} == {"native"}
    states = [each.states for each in told]
    assert states == sorted(states)
    assert 3000 > states[-1] > states[1] > states[0]


def test_verdicts_are_the_answers_without_their_witnesses() -> None:
    """What is asked for words alone gets those of the report."""
    report = explore(SCENARIO)
    verdicts = list_verdicts(SCENARIO)
    assert [each.platform for each in verdicts] == [
        each.platform for each in report.platforms
    ]
    for verdict, told in zip(verdicts, report.platforms, strict=True):
        assert verdict.answers == {
            name: answer.answer for name, answer in told.answers.items()
        }
        assert verdict.consulted == set(told.relevant)
        assert verdict.fallen == frozenset()


def test_a_dropped_call_falls_back_to_its_native_instructions() -> None:
    """Where the interface lacks a call, what stands there natively runs."""
    enable = "VMI_EnableInterrupts"
    software, late = list_verdicts(
        SCENARIO, platforms=["software"], dropped=frozenset({enable})
    )
    assert software.answers["sleeps"] == late.answers["sleeps"] == "never"
    assert software.fallen == {enable}
    native, *_ = list_verdicts(
        SCENARIO, platforms=["native"], dropped=frozenset({enable})
    )
    assert native.answers["sleeps"] == "never"
    assert native.fallen == frozenset()


def test_a_dropped_call_without_native_instructions_stays() -> None:
    """There is nothing to fall back on."""
    text = IDLE.replace("jmp idle\nbusy", "call VMI_GetWallclockTime\nbusy")
    dropped = frozenset({"VMI_GetWallclockTime"})
    verdicts = list_verdicts(
        parse_scenario(text, slug="idle-loop"), dropped=dropped
    )
    assert all(each.fallen == frozenset() for each in verdicts)
