"""`vmi-review diet` and `vmi-review explore --product`."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import cli
from app.commands import diet, question
from app.errors import CommandError

SLUGS = ("kleen-sti-shadow", "kleen-unimplemented-msr")


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of few questions that stands for the bundled ones."""
    for slug in SLUGS:
        shutil.copy(question.BUNDLED / f"{slug}.toml", tmp_path)
    monkeypatch.setattr(diet, "BUNDLED", tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(
        cli.app, arguments, catch_exceptions=False, standalone_mode=False
    )


@pytest.mark.usefixtures("bundled")
def test_the_diet_in_words() -> None:
    """The result first, then each call with what decides."""
    out = run("diet").stdout
    assert out.startswith("On software, ")
    assert "smallest interface:" in out
    assert "needed: without it an answer changes" in out
    assert "  VMI_EnableInterrupts, else sti\n" in out
    assert "sleeps-with-work: sometimes → never" in out
    assert "undecided: no question makes it" in out
    assert all(len(line) <= 79 for line in out.splitlines())


@pytest.mark.usefixtures("bundled")
def test_the_diet_as_json() -> None:
    """It is what the API answers, without progress."""
    found = json.loads(run("diet", "--platform", "hardware", "--json").stdout)
    assert found["platform"] == "hardware"
    assert found["questions"] == 2
    assert {call["stand"] for call in found["calls"]} >= {"needed", "native"}


@pytest.mark.usefixtures("bundled")
def test_a_diet_of_no_platform_is_refused() -> None:
    """The platforms are named."""
    with pytest.raises(CommandError, match="there are native, software"):
        run("diet", "--platform", "toaster")


def test_a_bundled_question_that_is_wrong_is_named(bundled: Path) -> None:
    """With its place, as compilers do."""
    (bundled / "bad.toml").write_text("question = 1\n", "utf-8")
    with pytest.raises(CommandError, match=r"bad\.toml:1:\d+: "):
        run("diet")


def test_the_product_in_words() -> None:
    """What matters, the answers by that, and what changes nothing."""
    out = run("explore", "kleen-unimplemented-msr", "--product").stdout
    assert "software: 9 combinations, settled by 9 runs" in out
    assert "call-faults depends on unimplemented_msr" in out
    assert "○ never: unimplemented_msr zero or pass-through" in out
    assert "call-faults: ○ never, whatever is chosen" in out


def test_the_product_as_json() -> None:
    """On one platform."""
    arguments = ("--product", "--platform", "software", "--json")
    out = run("explore", "kleen-watchdog-nmi", *arguments).stdout
    (part,) = json.loads(out)["platforms"]
    assert part["outcomes"]["nmi-gets-through"]["matters"] == ["nmi"]


def test_a_product_is_over_all_policies() -> None:
    """None can be chosen beforehand, and what is wrong is refused."""
    policy = ("--policy", "nmi=delivered")
    with pytest.raises(CommandError, match="leave --policy out"):
        run("explore", "kleen-watchdog-nmi", "--product", *policy)


def test_the_product_of_a_wrong_file(tmp_path: Path) -> None:
    """It is refused with its place."""
    path = tmp_path / "bad.toml"
    path.write_text("question = 1\n", "utf-8")
    with pytest.raises(CommandError, match=r"bad\.toml:1:\d+: "):
        run("explore", str(path), "--product")
