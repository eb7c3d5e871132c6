"""Words: each where it fits, with a line on what it means."""

from app.services.words import list_words
from app.sim import CALLS, PLATFORMS, POLICIES
from app.sim.start import EVENTS


def test_each_place_has_its_words() -> None:
    words = list_words()
    texts = {
        place: [word for word, _ in words[place]]  # type: ignore[attr-defined]
        for place in words
        if place != "values"
    }
    assert set(CALLS) <= set(texts["code"])
    assert {"mov", "eax", "cr3"} <= set(texts["code"])
    assert set(texts["platforms"]) == set(PLATFORMS)
    assert set(texts["policies"]) == set(POLICIES)
    assert set(texts["events"]) == set(EVENTS)
    assert {"[code]", "[outcomes]"} <= set(texts["sections"])
    assert set(texts["keys"]) == {"question", "about", "objection", "notes"}
    assert {"kernel", "irq0", "nmi"} <= set(texts["listings"])
    assert {"halted", "and", "eax"} <= set(texts["outcomes"])
    for place, listed in texts.items():
        assert len(set(listed)) == len(listed), place


def test_calls_say_which_registers_they_take() -> None:
    code = dict(list_words()["code"])  # type: ignore[call-overload]
    assert "EAX" in code["VMI_CPUID"]
    assert all(code[name] for name in CALLS)
