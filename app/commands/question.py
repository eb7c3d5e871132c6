"""`vmi-review explore`: a question's answer in the terminal."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer

from app import sim
from app.commands.progress import ProgressLine
from app.config import ROOT, Settings
from app.errors import CommandError
from app.sim import (
    PLATFORMS,
    POLICIES,
    Limits,
    Progress,
    Report,
    Scenario,
    ScenarioError,
)

WIDTH = 79
GAP = 2
WIDEST = len("- not modelled")
BYTES_MOST = 256 * 1024
REFUSED = 2
TRANSITIONS_OF_A_STATE = 10
"""How many transitions a search may make for each state it may find."""

MOST_TRANSITIONS = 20_000_000
SIGNS = {
    "always": "●",
    "sometimes": "◐",
    "never": "○",
    "unspecified": "?",
    "not-modelled": "\N{EN DASH}",
    "limit": "…",
}
BUNDLED = ROOT / "app" / "corpus" / "vmi" / "scenarios"

Json = Mapping[str, Any]


class Witness(NamedTuple):
    """An execution that shows an outcome."""

    outcome: str
    where: str
    steps: Sequence[Json]


def explore(
    limits: Limits,
    question: str,
    platforms: Sequence[str],
    policies: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Print what the simulator answers."""
    name, text = read_question(question)
    require_platforms(platforms)
    try:
        scenario = sim.parse_scenario(text, slug=Path(question).stem)
        with ProgressLine() as line:

            def tell(progress: Progress) -> bool:
                line.write(word_progress(progress))
                return False

            report = sim.explore(
                scenario,
                platforms=platforms or None,
                policies=read_policies(policies),
                limits=limits,
                should_stop=tell,
            )
    except ScenarioError as error:
        raise build_refusal(name, text, error) from None
    if as_json:
        content = json.dumps(report.to_dict(), ensure_ascii=False, indent=2)
        typer.echo(content)
        return
    for printed in write_report(scenario, report):
        typer.echo(printed)


def word_progress(progress: Progress) -> str:
    """Return how far a search is, in a line."""
    variant = f", {progress.variant}" if progress.variant else ""
    return f"{progress.platform}{variant}: {progress.states:,} states"


def read_limits(
    settings: Settings, states: int | None, seconds: float | None
) -> Limits:
    """Return how far each search may go: as asked, else as it is set."""
    plain = Limits()
    most = plain.states if states is None else states
    transitions = max(plain.transitions, most * TRANSITIONS_OF_A_STATE)
    try:
        return Limits(
            states=most,
            transitions=min(transitions, MOST_TRANSITIONS),
            seconds=settings.run_seconds if seconds is None else seconds,
        )
    except ValueError as error:
        raise CommandError(f"--{error}", status=REFUSED) from None


def build_refusal(name: str, text: str, error: ScenarioError) -> CommandError:
    """Tell all that is wrong in a scenario, each with its place."""
    errors = sim.check_scenario(text) or (error,)
    told = "\nvmi-review: ".join(describe(name, one) for one in errors)
    return CommandError(told, status=REFUSED)


def read_question(question: str) -> tuple[str, str]:
    """Return the name and the text of a bundled question, or of a file."""
    bundled = BUNDLED / f"{question}.toml"
    is_name = "/" not in question and bundled.is_file()
    path = bundled if is_name else Path(question)
    try:
        with path.open("rb") as stream:
            raw = stream.read(BYTES_MOST + 1)
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in _list_bundled()))
        raise CommandError(
            f"no file and no question is called {question!r}; "
            f"the questions are {known}",
            status=REFUSED,
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(f"{path}: {reason}", status=REFUSED) from None
    if len(raw) > BYTES_MOST:
        raise CommandError(
            f"{path}: longer than {BYTES_MOST} bytes", status=REFUSED
        )
    try:
        return str(path), raw.decode()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path}: byte {error.start} is not UTF-8", status=REFUSED
        ) from None


def _list_bundled() -> Sequence[Path]:
    return list(BUNDLED.glob("*.toml"))


def require_platforms(platforms: Sequence[str]) -> None:
    """Refuse a platform that there is not."""
    for platform in platforms:
        if platform not in PLATFORMS:
            raise CommandError(
                f"no platform is called {platform!r}; "
                f"there are {', '.join(PLATFORMS)}",
                status=REFUSED,
            )


def read_policies(given: Sequence[str]) -> dict[str, str]:
    """Return the policies by name, or refuse what there is not."""
    policies = {}
    for one in given:
        name, found, value = one.partition("=")
        policy = POLICIES.get(name)
        if not found or policy is None:
            raise CommandError(
                f"{one!r} is no policy; write NAME=VALUE with one of "
                f"{', '.join(POLICIES)}",
                status=REFUSED,
            )
        if value not in policy.values:
            raise CommandError(
                f"{name} is {', '.join(policy.values)}, not {value!r}",
                status=REFUSED,
            )
        policies[name] = value
    return policies


def describe(name: str, error: ScenarioError) -> str:
    """Return a refusal with its place, as compilers write it."""
    expected = f"; expected {error.expected}" if error.expected else ""
    return f"{name}:{error.line}:{error.column}: {error.message}{expected}"


def write_report(scenario: Scenario, report: Report) -> Iterator[str]:
    """Yield a report in lines: question, tables, the shortest witness."""
    content: Json = report.to_dict()
    yield from textwrap.wrap(scenario.question, WIDTH)
    runs: Sequence[Json] = content["platforms"]
    base = [one for one in runs if not one.get("variant")]
    variants = [one for one in runs if one.get("variant")]
    for group in (base, variants):
        yield from write_tables(group)
    yield ""
    yield from write_meanings(scenario)
    witness = find_witness(runs)
    if witness is not None:
        yield ""
        yield from write_witness(witness)
    yield ""
    yield f"model {content['model']}, run {content['id']}"


def name_run(run: Json) -> str:
    """Return a run's platform, with its variant."""
    variant = run.get("variant")
    return f"{run['platform']}, {variant}" if variant else run["platform"]


def write_tables(runs: Sequence[Json]) -> Iterator[str]:
    """Yield outcomes by platforms, as many beside each other as fit."""
    outcomes = list(dict.fromkeys(n for one in runs for n in one["answers"]))
    first = max(map(len, [*outcomes, "transitions"]))
    beside: list[Json] = []
    room = WIDTH - first
    for run in runs:
        width = GAP + _get_width(run)
        if beside and width > room:
            yield from write_table(beside, outcomes, first)
            beside, room = [], WIDTH - first
        beside.append(run)
        room -= width
    if beside:
        yield from write_table(beside, outcomes, first)


def _get_width(run: Json) -> int:
    return max(len(name_run(run)), WIDEST)


def write_table(
    runs: Sequence[Json], outcomes: Sequence[str], first: int
) -> Iterator[str]:
    """Yield one table, with sign and word; `first` is a name's width."""

    def line(name: str, cells: Sequence[str]) -> str:
        padded = [name.ljust(first)]
        for run, cell in zip(runs, cells, strict=True):
            padded.append(cell.ljust(_get_width(run)))
        return (" " * GAP).join(padded).rstrip()

    yield ""
    yield line("", [name_run(run) for run in runs])
    for outcome in outcomes:
        yield line(outcome, [word_answer(one, outcome) for one in runs])
    yield line("states", [f"{one['states']:,}" for one in runs])
    yield line("transitions", [f"{one['transitions']:,}" for one in runs])


def word_answer(run: Json, outcome: str) -> str:
    """Return an answer as sign and word; a limit is no answer."""
    found = run["answers"].get(outcome)
    if found is None:
        return ""
    answer = found["answer"]
    if answer == "limit":
        return f"{SIGNS[answer]} {run['limit']} limit"
    return f"{SIGNS[answer]} {answer.replace('-', ' ')}"


def write_meanings(scenario: Scenario) -> Iterator[str]:
    """Yield what each outcome means."""
    for outcome in scenario.outcomes:
        yield from textwrap.wrap(
            f"{outcome.name}: {outcome.phrase or outcome.text}",
            WIDTH,
            subsequent_indent="    ",
        )


def find_witness(runs: Sequence[Json]) -> Witness | None:
    """Return the shortest execution of the first outcome that has one."""
    found: dict[str, list[Witness]] = {}
    for run in runs:
        for outcome, answer in run["answers"].items():
            if answer["witness"]:
                witness = Witness(outcome, name_run(run), answer["witness"])
                found.setdefault(outcome, []).append(witness)
    names = (name for run in runs for name in run["answers"])
    first = next((name for name in names if name in found), None)
    if first is None:
        return None
    return min(found[first], key=lambda witness: len(witness.steps))


def write_witness(witness: Witness) -> Iterator[str]:
    """Yield the steps of an execution."""
    count = len(witness.steps)
    yield (
        f"Shortest witness: {witness.outcome} on {witness.where}, "
        f"{count} {'step' if count == 1 else 'steps'}"
    )
    for number, step in enumerate(witness.steps, start=1):
        place = f"{step['lane']:<10}  {step['at']:<14}"
        yield f"{number:4}  {place}  {step['text']}"
        changes = ", ".join(
            f"{name} {_show(before)}→{_show(after)}"
            for name, (before, after) in step["changes"].items()
            if name not in {"eip", "eflags"}
        )
        indent = " " * 18
        yield from textwrap.wrap(
            f"{changes}  [{step['clause']}]".strip(),
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
        )


def _show(value: int | None) -> str:
    large = 0x10000
    if isinstance(value, int) and value >= large:
        return hex(value)
    return "none" if value is None else str(value)
