"""Which policies a question's answers depend on, as a page and as JSON."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import SessionDep
from app.models import Answer
from app.pages import Page, ShellDep, render
from app.routes.surveys import (
    ProgressOut,
    SurveyorDep,
    make_progress,
    mark_unfinished,
)
from app.services import products
from app.services.products import ProductView

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api", tags=["scenarios"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPage(Page):
    """What the answers to a question depend on."""

    template: ClassVar[str] = "products/show.html"
    product: ProductView


class RowOut(BaseModel):
    """An answer, and the choices that lead to it; others are free."""

    choices: dict[str, list[str]] = Field(
        examples=[{"nmi": ["not-delivered"]}]
    )
    answer: Answer = Field(examples=["never"])


class DependenceOut(BaseModel):
    """What one outcome's answer depends on."""

    matters: list[str] = Field(
        description="The policies that change the answer alone, somewhere "
        "in the product.",
        examples=[["nmi"]],
    )
    rows: list[RowOut] = Field(description="The answers, in few rows.")


class PlatformProductOut(BaseModel):
    """The product of the policies on one platform."""

    platform: str = Field(examples=["software"])
    consulted: dict[str, list[str]] = Field(
        description="The policies that some run asked, with their values.",
        examples=[{"nmi": ["not-delivered", "delivered"]}],
    )
    combinations: int = Field(examples=[2])
    runs: int = Field(
        description="How many runs settled all combinations.", examples=[2]
    )
    complete: bool
    idle: list[str] = Field(
        description="The policies that were asked and change no answer."
    )
    outcomes: dict[str, DependenceOut]


class ProductOut(BaseModel):
    """What the answers to a question depend on."""

    scenario: str = Field(examples=["kleen-watchdog-nmi"])
    progress: ProgressOut | None = Field(
        description="How many runs are done; null when all are."
    )
    platforms: list[PlatformProductOut]


@router.get("/whatif/{slug}/policies")
def show_product(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    surveyor: SurveyorDep,
    slug: str,
) -> Response:
    """Show which policies the answers to a question depend on."""
    product = products.read_product(session, surveyor, slug)
    page = ProductPage(title=product.question, product=product)
    response = render(request, shell, page)
    if product.told is not None:
        mark_unfinished(response)
    return response


@api.get(
    "/scenarios/{slug}/policies",
    summary="Which policies the answers depend on",
    responses={
        202: {"model": ProductOut, "description": "It is still computed."},
        404: {"description": "There is no such question."},
    },
)
def show_product_json(
    response: Response,
    session: SessionDep,
    surveyor: SurveyorDep,
    slug: str,
) -> ProductOut:
    """Return what matters, what does not, and the answers by what does.

    All combinations of the policies that any run asks are settled, platform
    by platform.
    """
    product = products.read_product(session, surveyor, slug)
    if product.told is not None:
        response.status_code = HTTPStatus.ACCEPTED
        mark_unfinished(response)
    content = product.content or {"platforms": []}
    return ProductOut(
        scenario=slug,
        progress=make_progress(product.told),
        platforms=[
            PlatformProductOut.model_validate(part)
            for part in content["platforms"]
        ],
    )
