"""Scenarios of a corpus: questions that can be run, and their answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app import sim
from app.errors import CorpusError
from app.models import SavedScenario, Scenario, ScenarioCall, get_id
from app.services import runs
from app.services.corpus_files import CorpusFile, read_file
from app.services.corpus_rows import Ids, require_all, update_row
from app.sim import explore

FOLDER = "scenarios"
SAVED = "asked-"
"""How the names begin of what reviewers save; no corpus uses it."""

MOST_SCENARIOS = 1000


def read_scenarios(folder: Path) -> list[CorpusFile]:
    """Read the scenario files of a corpus folder, in order of name."""
    paths = sorted(
        (folder / FOLDER).glob("*.toml"), key=lambda path: path.stem
    )
    if len(paths) > MOST_SCENARIOS:
        raise CorpusError(FOLDER, f"more than {MOST_SCENARIOS} scenarios")
    return [read_file(folder, f"{FOLDER}/{path.name}") for path in paths]


def parse_scenarios(
    files: Iterable[CorpusFile],
    calls: Sequence[str],
    objections: Sequence[str],
) -> list[sim.Scenario]:
    """Return the scenarios; what they name must be in the corpus."""
    parsed = []
    for file in files:
        slug = Path(file.name).stem
        if slug.startswith(SAVED):
            raise CorpusError(
                file.name, f"names in {SAVED!r} are for what reviewers save"
            )
        try:
            scenario = sim.parse_scenario(file.text, slug=slug)
        except sim.ScenarioError as error:
            raise CorpusError(file.name, str(error)) from error
        for name in scenario.about:
            if name not in calls:
                raise CorpusError(
                    file.name, f"no call is named {name!r}", field="about"
                )
        if scenario.objection not in (None, *objections):
            raise CorpusError(
                file.name,
                f"no objection is named {scenario.objection!r}",
                field="objection",
            )
        parsed.append(scenario)
    return parsed


def store_scenarios(
    session: Session,
    proposal_id: int,
    scenarios: Iterable[sim.Scenario],
    threads: Ids,
    calls: Ids,
) -> None:
    """Store scenarios; explore those that are new or changed."""
    stored = {
        scenario.slug: scenario
        for scenario in session.scalars(
            select(Scenario).where(
                col(Scenario.proposal_id) == proposal_id,
                col(Scenario.id).not_in(
                    select(col(SavedScenario.scenario_id))
                ),
            )
        )
    }
    scenarios = list(scenarios)
    require_all(stored, (s.slug for s in scenarios), FOLDER)
    position = session.scalar(select(func.max(col(Scenario.position)))) or 0
    for scenario in scenarios:
        row = stored.get(scenario.slug)
        if row is None:
            position += 1
            row = Scenario(
                proposal_id=proposal_id,
                position=position,
                slug=scenario.slug,
                question="",
                text="",
            )
            session.add(row)
        _store_scenario(session, row, scenario, threads)
        _link_calls(session, row, [calls[name] for name in scenario.about])


def _store_scenario(
    session: Session, row: Scenario, scenario: sim.Scenario, threads: Ids
) -> None:
    if row.text != scenario.text:
        report = explore(scenario)
        row.run_id = runs.store_report(session, report, scenario.text).id
    objection = scenario.objection
    update_row(
        row,
        {
            "question": scenario.question,
            "text": scenario.text,
            "thread_id": threads[objection] if objection else None,
        },
    )
    session.flush()


def _link_calls(
    session: Session, row: Scenario, call_ids: Iterable[int]
) -> None:
    session.execute(
        delete(ScenarioCall).where(col(ScenarioCall.scenario_id) == row.id)
    )
    for call_id in dict.fromkeys(call_ids):
        session.add(ScenarioCall(scenario_id=get_id(row), call_id=call_id))
