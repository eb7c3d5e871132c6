"""Costs: the table of cycles, a reader's changes, and paths by their cost."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.errors import Fault, InvalidError
from app.forms import FormDep
from app.pages import Page, ShellDep, render
from app.routes.paging import SELF
from app.routes.runs import CostsText
from app.services import costs, runs
from app.services.costs import CallCost, Row
from app.sim import PLATFORMS
from app.sim.cost import CostTable

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api", tags=["runs"])

BACK = re.compile(
    r"/(?:runs|whatif)/[A-Za-z0-9._-]{1,120}(?:\?[!-~]{0,2000})?"
)
FIGURE = re.compile(r"([a-z-]{1,40})\.([a-z-]{1,40})")
DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsPage(Page):
    """The table of cycles, editable, and what a call costs by it."""

    template: ClassVar[str] = "costs/show.html"
    title: str = "What it costs"
    platforms: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    calls: Sequence[CallCost]
    sources: Mapping[str, str]
    changed: str


def _build_page(table: CostTable, changed: str) -> CostsPage:
    return CostsPage(
        platforms=[(each.name, each.title) for each in PLATFORMS.values()],
        rows=costs.list_rows(table),
        calls=costs.list_call_costs(table),
        sources=table.sources,
        changed=changed,
    )


@router.get("/costs/")
def show_costs(
    request: Request, shell: ShellDep, costs: CostsText = ""
) -> Response:
    """Show the table, with the changes that the address holds."""
    return render(request, shell, _read_page(costs))


def _read_page(text: str) -> CostsPage:
    changes = costs.parse_changes(text)
    table = costs.read_table().change(changes)
    return _build_page(table, costs.format_changes(changes))


@router.post("/costs/")
def change_costs(request: Request, typed: FormDep) -> Response:
    """Put the numbers typed into the address, and go there.

    Nothing is stored. `back` is the run that the form stands on; without one
    the table itself is shown.
    """
    changes = dict(costs.parse_changes(typed.get("costs", "")))
    changes |= _read_figures(typed)
    text = costs.format_changes(changes)
    back = typed.get("back", "")
    if not BACK.fullmatch(back):
        back = request.url_for("show_costs").path
    mark = "&" if "?" in back else "?"
    url = f"{back}{mark}costs={text}" if text else back
    return RedirectResponse(url, status_code=303)


def _read_figures(typed: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """Read the fields that are figures, such as `trap.software`."""
    figures: dict[tuple[str, str], int] = {}
    for name, value in typed.items():
        match = FIGURE.fullmatch(name)
        if match is None:
            continue
        if not DIGITS.fullmatch(value.strip()):
            message = f"{name}: {value[:40]!r} is no number of cycles"
            raise InvalidError(message, Fault(f"/{name}", message))
        costs.require_figure(match[1], match[2], int(value))
        figures[match[1], match[2]] = int(value)
    return figures


class FigureOut(BaseModel):
    """What a class of steps costs on a platform."""

    cycles: int = Field(examples=[889])
    source: str | None = Field(
        description="Where it was measured; null if it is assumed."
    )
    note: str
    changed: bool = Field(description="Whether the request gave it.")


class ClassOut(BaseModel):
    """A class of steps."""

    name: str = Field(examples=["trap"])
    title: str = Field(examples=["Trap to the hypervisor"])
    text: str
    cycles: dict[str, FigureOut] = Field(description="By platform.")


class CostsOut(BaseModel):
    """The table of cycles."""

    items: list[ClassOut]


class StepCostOut(BaseModel):
    """What a step costs."""

    step: int = Field(examples=[5])
    text: str = Field(examples=["call VMI_EnableInterrupts"])
    cycles: int | None = Field(
        description="null for a step that stands for many."
    )
    classes: list[str] = Field(examples=[["call", "rom", "call"]])


class PathOut(BaseModel):
    """An execution of a report and what it costs."""

    platform: str = Field(examples=["software"])
    variant: str | None
    outcome: str = Field(examples=["sleeps-with-work"])
    way: str = Field(examples=["witness"])
    cycles: int = Field(examples=[2000])
    entries: int = Field(
        description="How often the hypervisor is entered.", examples=[3]
    )
    uncounted: int = Field(
        description="Steps that stand for many and are not in the sum."
    )
    steps: list[StepCostOut]


class RunCostsOut(BaseModel):
    """All executions of a report with their cost."""

    run: str
    items: list[PathOut]


@api.get("/costs", summary="The table of cycles", dependencies=SELF)
def read_costs(costs: CostsText = "") -> CostsOut:
    """Return what each class of steps costs, platform by platform."""
    return CostsOut(
        items=[_describe_row(row) for row in _read_page(costs).rows]
    )


def _describe_row(row: Row) -> ClassOut:
    return ClassOut(
        name=row.cost.name,
        title=row.cost.title,
        text=row.cost.text,
        cycles={
            platform: FigureOut(
                cycles=figure.cycles,
                source=figure.source or None,
                note=figure.note,
                changed=figure.changed,
            )
            for platform, figure in row.figures
        },
    )


@api.get(
    "/runs/{id}/costs",
    summary="What a report's executions cost",
    dependencies=SELF,
)
def read_run_costs(
    session: SessionDep,
    id: Annotated[  # noqa: A002 - the word in the address
        str, Path(description="As POST /api/runs gave it.")
    ],
    costs: CostsText = "",
) -> RunCostsOut:
    """Return each execution of a stored report with its cycles.

    Costs are no part of the report: they are computed from its steps.
    """
    run = runs.read_run(session, id)
    return RunCostsOut(run=run.id, items=_list_paths(run.report, costs))


def _list_paths(report: Mapping[str, object], text: str) -> list[PathOut]:
    return [
        PathOut(
            platform=path.platform,
            variant=path.variant,
            outcome=path.outcome,
            way=path.way,
            cycles=path.bill.total,
            entries=path.entries,
            uncounted=path.bill.unknown,
            steps=[
                StepCostOut(
                    step=step.number,
                    text=step.text,
                    cycles=charge.cycles,
                    classes=[name for name, _ in charge.parts],
                )
                for step, charge in zip(
                    path.steps, path.bill.charges, strict=True
                )
            ],
        )
        for path in costs.list_paths(report, costs.read_changed(text))
    ]
