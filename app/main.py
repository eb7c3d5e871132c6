"""The application: routers, error pages, middleware, static files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.config import ROOT, Settings
from app.db import Database
from app.routes import ROUTERS


def create_app(settings: Settings) -> FastAPI:
    """Build the application over the settings' database.

    The database must be at the newest migration (`Database.upgrade`).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.database.close()

    app = FastAPI(title="vmi-review", lifespan=lifespan)
    app.state.settings = settings
    app.state.database = Database(settings.get_database_url())
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=ROOT / "static"), name="static")
    return app
