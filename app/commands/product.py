"""`vmi-review explore --product`: which policies the answers depend on."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from app import sim
from app.commands.progress import ProgressLine
from app.commands.question import (
    REFUSED,
    SIGNS,
    WIDTH,
    build_refusal,
    read_question,
    require_platforms,
)
from app.errors import CommandError
from app.sim import Limits, PlatformProduct, Scenario, ScenarioError
from app.sim.product import Dependence, Row


def explore_product(
    limits: Limits,
    question: str,
    platforms: Sequence[str],
    policies: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Print on which policies the answers to a question depend."""
    if policies:
        raise CommandError(
            "--product goes over all policies; leave --policy out",
            status=REFUSED,
        )
    name, text = read_question(question)
    require_platforms(platforms)
    try:
        scenario = sim.parse_scenario(text, slug=Path(question).stem)
    except ScenarioError as error:
        raise build_refusal(name, text, error) from None
    with ProgressLine() as line:

        def tell(runs: int) -> bool:
            line.write(f"{runs:,} runs")
            return False

        products = sim.explore_product(
            scenario,
            platforms=platforms or None,
            limits=limits,
            should_stop=tell,
        )
    if as_json:
        content = {"platforms": [each.to_dict() for each in products]}
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
        return
    for printed in write_products(scenario, products):
        typer.echo(printed)


def write_products(
    scenario: Scenario, products: Sequence[PlatformProduct]
) -> Iterator[str]:
    """Yield the products in lines, platform by platform."""
    yield from textwrap.wrap(scenario.question, WIDTH)
    for product in products:
        yield ""
        yield (
            f"{product.platform}: {product.combinations:,} combinations, "
            f"settled by {product.runs:,} runs"
            f"{'' if product.complete else ', as far as they went'}"
        )
        for name, dependence in product.outcomes.items():
            yield from write_dependence(name, dependence)
        if product.idle:
            yield f"  asked, and changes no answer: {', '.join(product.idle)}"


def write_dependence(name: str, dependence: Dependence) -> Iterator[str]:
    """Yield an outcome, what matters to it, and its answers by that."""
    if not dependence.matters:
        yield f"  {name}: {_sign(dependence.rows[0])}, whatever is chosen"
        return
    yield f"  {name} depends on {', '.join(dependence.matters)}"
    for row in dependence.rows:
        choices = ", ".join(
            f"{policy} {' or '.join(values)}"
            for policy, values in row.choices.items()
        )
        yield f"    {_sign(row)}: {choices}"


def _sign(row: Row) -> str:
    return f"{SIGNS[row.answer]} {row.answer}"
