"""Platforms and policies, as a page and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.pages import Page, ShellDep, render
from app.routes.paging import SELF
from app.services import platforms
from app.services.platforms import Overview
from app.sim.treatment import TREATMENTS, Treatment

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api", tags=["platforms"])

WORDS: Mapping[Treatment, str] = {
    Treatment.as_is: "as is",
    Treatment.taken: "taken",
    Treatment.traps: "traps",
    Treatment.silent: "misbehaves in silence",
    Treatment.reveals: "reveals",
    Treatment.may_fault: "may fault",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformsPage(Page):
    """What the platforms do, and what is left to choose."""

    template: ClassVar[str] = "platforms/list.html"
    title: str = "Platforms and policies"
    words: ClassVar[Mapping[Treatment, str]] = WORDS
    meanings: ClassVar[Mapping[Treatment, str]] = TREATMENTS
    overview: Overview


class PlatformItem(BaseModel):
    """A way of carrying out instructions and calls."""

    name: str = Field(examples=["software"])
    title: str = Field(examples=["Software hypervisor"])
    text: str
    has_hypervisor: bool
    instructions: dict[str, Treatment] = Field(
        description="What becomes of each sensitive instruction of the "
        "guest's kernel.",
        examples=[{"cli": "traps", "popf": "silent"}],
    )
    policies: dict[str, str] = Field(
        description="Each policy's value, if a question says nothing.",
        examples=[{"nmi": "not-delivered"}],
    )


class PolicyOut(BaseModel):
    """A choice that the document leaves open, or the review asked about."""

    name: str = Field(examples=["nmi"])
    values: list[str] = Field(examples=[["not-delivered", "delivered"]])
    default: str = Field(examples=["not-delivered"])
    text: str
    source: str = Field(examples=["RFC 2.11"])
    gap: bool = Field(description="Whether the document is silent.")
    scenarios: list[str] = Field(
        description="Slugs of the questions whose runs ask it."
    )


class PlatformList(BaseModel):
    """All platforms, and the policies that can be chosen on them."""

    items: list[PlatformItem]
    policies: list[PolicyOut]


@router.get("/platforms/")
def list_platforms(
    request: Request, shell: ShellDep, session: SessionDep
) -> Response:
    """Show all platforms and policies."""
    page = PlatformsPage(overview=platforms.read_overview(session))
    return render(request, shell, page)


@api.get(
    "/platforms",
    summary="The platforms and their policies",
    dependencies=SELF,
)
def list_platforms_json(session: SessionDep) -> PlatformList:
    """Return all platforms, how they treat a guest, and what is open."""
    overview = platforms.read_overview(session)
    return PlatformList(
        items=[
            PlatformItem(
                name=each.name,
                title=each.title,
                text=each.text,
                has_hypervisor=each.has_hypervisor,
                instructions={
                    row.spec.name: row.treatments[place]
                    for row in overview.instructions
                },
                policies=dict(each.policies),
            )
            for place, each in enumerate(overview.platforms)
        ],
        policies=[
            PolicyOut(
                name=row.policy.name,
                values=list(row.policy.values),
                default=row.policy.default,
                text=row.policy.text,
                source=row.policy.source,
                gap=row.is_gap,
                scenarios=[asking.slug for asking in row.asking],
            )
            for row in overview.policies
        ],
    )
