"""HTTP in, page or JSON out: one module a noun."""

from fastapi import APIRouter

from app.routes import (
    decisions,
    decisions_api,
    health,
    log,
    sign_in,
    threads,
    threads_api,
)

ROUTERS: tuple[APIRouter, ...] = (
    decisions.router,
    decisions_api.api,
    log.api,
    health.router,
    sign_in.router,
    threads.router,
    threads_api.api,
)
