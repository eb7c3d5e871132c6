"""What the kinds of problem mean: a page each, where `type` leads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response

from app.errors import NotFoundError
from app.pages import Page, ShellDep, render
from app.routes.problem_types import BY_SLUG, TYPES, ProblemType

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemsPage(Page):
    """All kinds, by status."""

    template: ClassVar[str] = "problems/list.html"
    types: Sequence[ProblemType]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemPage(Page):
    """One kind."""

    template: ClassVar[str] = "problems/show.html"
    type: ProblemType


@router.get("/problems/")
def list_problems(request: Request, shell: ShellDep) -> Response:
    """List what a request may be refused for."""
    return render(request, shell, ProblemsPage(title="Problems", types=TYPES))


@router.get("/problems/{slug}")
def show_problem(request: Request, shell: ShellDep, slug: str) -> Response:
    """Say what a problem means and what to do."""
    kind = BY_SLUG.get(slug)
    if kind is None:
        raise NotFoundError("kind of problem", slug)
    return render(request, shell, ProblemPage(title=kind.title, type=kind))
