"""HTTP in, page or JSON out: one module a noun."""

from fastapi import APIRouter

from app.routes import health, log

ROUTERS: tuple[APIRouter, ...] = (
    log.api,
    health.router,
)
