"""HTTP in, page or JSON out: one module a noun."""

from functools import cache

from fastapi import APIRouter
from starlette.routing import BaseRoute

from app.identity import GateDep
from app.routes import (
    anchors,
    ask,
    calls,
    calls_api,
    conversations,
    costs,
    decisions,
    decisions_api,
    diet,
    document,
    evidence,
    follow,
    gaps,
    health,
    home,
    imports,
    imports_api,
    log,
    mail_out,
    message_trees,
    messages,
    messages_api,
    platforms,
    problems,
    products,
    quotes,
    reference,
    revising,
    revisions,
    revisions_api,
    runs,
    runs_api,
    scenarios_api,
    search,
    search_api,
    sign_in,
    suggesting,
    suggestions,
    threads,
    threads_api,
    whatif,
)

ROUTERS: tuple[APIRouter, ...] = (
    home.router,
    anchors.router,
    # before the document, for `edit` is no section
    revisions.router,
    revising.router,
    suggesting.router,
    suggestions.router,
    revisions_api.api,
    document.router,
    calls.router,
    calls_api.api,
    decisions.router,
    decisions_api.api,
    log.api,
    imports.router,
    imports_api.api,
    health.router,
    # before mails and threads, whose addresses these go on from
    mail_out.router,
    # before the routes of one mail, which take what is left
    conversations.router,
    message_trees.router,
    messages.router,
    messages_api.api,
    reference.router,
    problems.router,
    sign_in.router,
    threads.router,
    threads_api.api,
    evidence.router,
    # before the questions, for `new` is the name of none
    ask.router,
    follow.router,
    products.router,
    quotes.router,
    whatif.router,
    scenarios_api.api,
    search.router,
    search_api.api,
    runs.router,
    runs_api.api,
    costs.router,
    costs.api,
    products.api,
    platforms.router,
    platforms.api,
    gaps.router,
    gaps.api,
    diet.router,
    diet.api,
)


@cache
def get_routes() -> tuple[BaseRoute, ...]:
    """Return every route, in the order in which they are tried.

    They are put together once a process: what FastAPI learns of a route when
    it is first asked for holds for each application that has it.
    """
    site = APIRouter(dependencies=[GateDep])
    for router in ROUTERS:
        site.include_router(router)
    return tuple(site.routes)
