"""HTTP in, page or JSON out: one module a noun."""

from fastapi import APIRouter

from app.routes import (
    ask,
    calls,
    calls_api,
    decisions,
    decisions_api,
    document,
    evidence,
    follow,
    health,
    home,
    log,
    messages,
    reference,
    runs,
    runs_api,
    scenarios_api,
    sign_in,
    threads,
    threads_api,
    whatif,
)

ROUTERS: tuple[APIRouter, ...] = (
    home.router,
    document.router,
    calls.router,
    calls_api.api,
    decisions.router,
    decisions_api.api,
    log.api,
    health.router,
    messages.router,
    reference.router,
    sign_in.router,
    threads.router,
    threads_api.api,
    evidence.router,
    # before the questions, for `new` is the name of none
    ask.router,
    follow.router,
    whatif.router,
    scenarios_api.api,
    runs.router,
    runs_api.api,
)
