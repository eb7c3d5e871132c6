"""HTTP in, page or JSON out: one module a noun."""

from fastapi import APIRouter

from app.routes import (
    calls,
    calls_api,
    decisions,
    decisions_api,
    document,
    health,
    home,
    log,
    sign_in,
    threads,
    threads_api,
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
    sign_in.router,
    threads.router,
    threads_api.api,
)
