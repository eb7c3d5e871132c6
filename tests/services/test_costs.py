"""Costs: the reader's changes, the bill of an execution, calls compared."""

from typing import Any

import pytest

from app.errors import CorpusError, InvalidError
from app.services import costs
from app.services.costs import Route
from app.services.witnesses import read_steps
from app.sim import CALLS, PLATFORMS
from tests.services.test_witnesses import get_report


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Return a report with trapped instructions and calls by the ROM."""
    return get_report("kleen-sti-shadow")


def test_changes_go_into_an_address_and_come_back() -> None:
    changes = costs.parse_changes("trap.software:3000,rom.software:20")
    assert changes == {("trap", "software"): 3000, ("rom", "software"): 20}
    assert (
        costs.format_changes(changes) == "trap.software:3000,rom.software:20"
    )
    assert costs.parse_changes("") == {}


def test_a_change_that_changes_nothing_is_left_out() -> None:
    same = costs.read_table().classes["trap"].get("software").cycles
    assert costs.format_changes({("trap", "software"): same}) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trap", "no change of a cost"),
        ("trap.software=3", "no change of a cost"),
        ("trap.software:-3", "no change of a cost"),
        ("trap.software:1234567890", "no change of a cost"),
        ("trap.software:99999999", "not from 0 to 10000000"),
        ("trip.software:3", "no class of costs is called 'trip'"),
        ("trap.marsian:3", "no platform is called 'marsian'"),
    ],
)
def test_what_is_no_change_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message) as refused:
        costs.parse_changes(text)
    assert refused.value.faults[0].pointer == "/costs"


def test_a_table_that_is_none_names_its_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / costs.FILE).write_text("[classes.a]\nnative = 4")
    monkeypatch.setattr(costs, "FOLDER", tmp_path)
    costs.read_table.cache_clear()
    with pytest.raises(CorpusError, match=r"costs\.toml: a\.native has no"):
        costs.read_table()
    monkeypatch.undo()
    costs.read_table.cache_clear()
    assert costs.read_table().classes


def test_the_shares_of_a_bill_are_its_sum(report: dict[str, Any]) -> None:
    table = costs.read_changed("trap.software:1,emulation.software:2")
    paths = costs.list_paths(report, table, "sleeps-with-work")
    assert {path.outcome for path in paths} == {"sleeps-with-work"}
    for path in paths:
        bill = path.bill
        assert sum(cycles for _, _, cycles in bill.shares) == bill.total
        assert bill.until(len(path.steps)) == bill.total
        assert bill.until(0) == bill.unknown == 0
    assert len(costs.list_paths(report, table)) > len(paths)


def test_an_execution_costs_what_its_steps_do(report: dict[str, Any]) -> None:
    paths = {
        (path.platform, path.variant, path.way): path
        for path in costs.list_paths(
            report, costs.read_table(), "sleeps-with-work"
        )
    }
    lost = paths["software", None, "witness"]
    # DisableInterrupts and EnableInterrupts in the ROM, 16 each; CMP and
    # JNE; the arrival, 889; MOV; IRET by a hypercall, 516; HLT trapped, 2389
    assert lost.bill.total == 2 * 16 + 2 + 889 + 1 + 516 + 2389
    assert lost.entries == 2
    assert paths["native", "sti-sti-hlt", "witness"].entries == 0


def test_steps_told_as_one_are_not_counted(report: dict[str, Any]) -> None:
    (part, *_) = report["platforms"]
    witness = part["answers"]["work-gets-done"]["witness"]
    told = {**witness[0], "text": "(7 transitions)", "way": ""}
    bill = costs.build_bill(
        costs.read_table(), "native", read_steps([told, *witness])
    )
    assert bill.unknown == 1
    assert bill.charges[0].cycles is None
    assert bill.total > 0


def test_a_call_is_compared_with_the_instructions_it_stands_for() -> None:
    lines = {
        line.name: line for line in costs.list_call_costs(costs.read_table())
    }
    assert set(lines) == set(CALLS)
    enable = lines["VMI_EnableInterrupts"]
    assert enable.direct["native"] == Route("instruction", 30)
    assert enable.direct["software"] == Route("trap", 2389)
    assert enable.direct["hardware"] == Route("instruction", 30)
    assert enable.called["native"] is None
    assert enable.called["software"] == Route("rom", 16)
    # a move to or from a control register has the name of another
    cr0 = lines["VMI_SetCR0"].direct["software"]
    assert cr0 is not None
    assert cr0.way == "trap"
    mask = lines["VMI_SetInterruptMask"].direct
    assert mask["software"] is not None
    assert mask["software"].way == "silent"
    assert lines["VMI_SetAlarm"].direct == dict.fromkeys(PLATFORMS)
    assert lines["VMI_SetAlarm"].called["hardware"] == Route("hypercall", 3979)
