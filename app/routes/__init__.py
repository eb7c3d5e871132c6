"""HTTP in, page or JSON out: one module a noun."""

from fastapi import APIRouter

from app.routes import health, log, sign_in

ROUTERS: tuple[APIRouter, ...] = (
    log.api,
    health.router,
    sign_in.router,
)
