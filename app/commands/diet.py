"""`vmi-review diet`: which calls a platform can do without."""

import json
import textwrap
from collections.abc import Collection, Iterator

import typer

from app import sim
from app.commands.question import (
    BUNDLED,
    REFUSED,
    WIDTH,
    describe,
    require_platforms,
)
from app.config import Settings
from app.errors import CommandError
from app.sim import Diet, Limits, Scenario, ScenarioError
from app.sim.diet import STANDS, CallDiet, Stand


def diet(settings: Settings, platform: str, *, as_json: bool) -> None:
    """Weigh each call by the bundled questions, and print what can go."""
    require_platforms([platform])
    found = sim.compute_diet(
        read_bundled(),
        platform,
        Limits(seconds=settings.run_seconds),
        tell=None if as_json else tell,
    )
    if as_json:
        content = json.dumps(found.to_dict(), ensure_ascii=False, indent=2)
        typer.echo(content)
        return
    for line in write_diet(found):
        typer.echo(line)


def read_bundled() -> list[Scenario]:
    """Return the bundled questions, parsed."""
    scenarios = []
    for path in sorted(BUNDLED.glob("*.toml")):
        try:
            text = path.read_text("utf-8")
            scenarios.append(sim.parse_scenario(text, slug=path.stem))
        except ScenarioError as error:
            raise CommandError(
                describe(str(path), error), status=REFUSED
            ) from None
    return scenarios


def tell(done: int, total: int) -> None:
    """Say how far it is, where somebody may look."""
    end = "\n" if done == total else "\r"
    typer.echo(f"{done} of {total} questions{end}", nl=False, err=True)


def write_diet(diet: Diet) -> Iterator[str]:
    """Yield a diet in lines: the result, then each call by its stand."""
    yield from textwrap.wrap(
        f"On {diet.platform}, {len(diet.dropped)} calls can be dropped "
        f"together and no answer of {diet.questions} questions changes; "
        f"{len(diet.kept)} have to stay ({diet.runs} runs).",
        WIDTH,
    )
    yield from write_names("smallest interface", diet.kept)
    yield from write_names("can go together", diet.dropped)
    yield from write_names("only alone", diet.restored)
    yield from write_names("only with others", diet.traded)
    for stand in Stand:
        calls = [call for call in diet.calls if call.stand is stand]
        if calls:
            yield ""
            yield f"{stand.value}: {STANDS[stand]}"
            yield from write_calls(stand, calls)


def write_names(title: str, names: Collection[str]) -> Iterator[str]:
    """Yield some names under a title, if there are any."""
    if names:
        yield ""
        yield f"{title}:"
        yield from _wrap(", ".join(names))


def write_calls(stand: Stand, calls: list[CallDiet]) -> Iterator[str]:
    """Yield the calls of a stand, with what decides where something does."""
    if stand not in {Stand.needed, Stand.spare, Stand.unknown}:
        yield from _wrap(", ".join(call.name for call in calls))
        return
    for call in calls:
        yield f"  {call.name}, else {'; '.join(call.native)}"
        yield from _wrap(f"decided by {', '.join(call.deciding)}", "    ")
        for change in call.changes:
            place = f" ({change.variant})" if change.variant else ""
            yield from _wrap(
                f"{change.scenario}{place}, {change.outcome}: "
                f"{change.before} → {change.after}",
                "    ",
            )


def _wrap(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )
