"""HTTP in, page or JSON out: one module a noun."""

from functools import cache

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.identity import GateDep
from app.routes import (
    account,
    account_api,
    accounts,
    accounts_api,
    anchors,
    annotations,
    ask,
    bulk_api,
    calls,
    calls_api,
    comments_api,
    conversations,
    costs,
    decisions,
    decisions_api,
    diet,
    document,
    events,
    evidence,
    evidence_api,
    follow,
    gaps,
    health,
    home,
    hypothesis,
    hypothesis_client,
    imports,
    imports_api,
    invitations,
    log,
    mail_out,
    members,
    members_api,
    message_trees,
    messages,
    messages_api,
    namespace,
    oidc,
    platforms,
    posts,
    problems,
    products,
    quotes,
    reference,
    representations,
    revising,
    revisions,
    revisions_api,
    runs,
    runs_api,
    scenarios_api,
    search,
    search_api,
    sign_in,
    stances,
    stances_api,
    suggesting,
    suggestions,
    threads,
    threads_api,
    whatif,
)

ROUTERS: tuple[APIRouter, ...] = (
    # what programs ask for often, for routers are tried one by one
    health.router,
    # before mails, threads and annotations, whose addresses these go on from
    mail_out.router,
    annotations.router,
    # of the pages those that are made anew for each who asks
    search.router,
    home.router,
    # before the pages, whose addresses these end otherwise
    representations.router,
    representations.api,
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
    events.router,
    hypothesis.api,
    hypothesis_client.router,
    imports.router,
    imports_api.api,
    # before the routes of one mail, which take what is left
    conversations.router,
    message_trees.router,
    messages.router,
    messages_api.api,
    reference.router,
    problems.router,
    sign_in.router,
    oidc.router,
    account.router,
    invitations.router,
    members.router,
    accounts.router,
    account_api.api,
    accounts_api.api,
    members_api.api,
    namespace.router,
    threads.router,
    threads_api.api,
    posts.router,
    stances.router,
    comments_api.api,
    stances_api.api,
    evidence.router,
    evidence_api.api,
    # before the questions, for `new` is the name of none
    ask.router,
    follow.router,
    products.router,
    quotes.router,
    whatif.router,
    scenarios_api.api,
    search_api.api,
    bulk_api.api,
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


def get_name(route: APIRoute) -> str:
    """Return an operation's id: the name of its function."""
    return route.name


@cache
def get_routes() -> tuple[BaseRoute, ...]:
    """Return every route, in the order in which they are tried.

    They are put together once a process: what FastAPI learns of a route when
    it is first asked for holds for each application that has it.
    """
    site = APIRouter(
        dependencies=[GateDep], generate_unique_id_function=get_name
    )
    for router in ROUTERS:
        site.include_router(router)
    return tuple(site.routes)
