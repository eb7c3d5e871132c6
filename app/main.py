"""The application: routers, error pages, middleware, static files."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from app.conditions import ConditionMiddleware
from app.config import ROOT, Settings
from app.cors import PreflightMiddleware, SharingMiddleware
from app.db import Database
from app.gate import GateMiddleware
from app.guard import GuardMiddleware
from app.idempotency import IdempotencyMiddleware
from app.log import configure_logging
from app.middleware import HeadMiddleware, RequestMiddleware
from app.negotiation import NegotiationMiddleware
from app.openapi import ReviewAPI
from app.page_cache import PageCacheMiddleware
from app.policies import require_policies
from app.route_map import RouteMap
from app.routes import get_routes
from app.routes.errors import add_error_handlers
from app.routes.files import Files
from app.services.aligning import has_pending
from app.services.event_bus import EventBus
from app.services.explorer import Explorer
from app.services.oidc import Provider, Registration
from app.services.passwords import Passwords
from app.services.quote_worker import QuoteWorker
from app.services.signing import load_key
from app.services.surveys import Surveyor
from app.services.uses import UseNoter
from app.traffic import ProxyMiddleware, RateMiddleware, make_limits

COMPRESSED_FROM = 500
COMPRESSION = 5


def create_app(settings: Settings) -> FastAPI:
    """Build the application over the settings' database.

    The database must be at the newest migration (`Database.upgrade`).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.event_bus.close()
        app.state.explorer.close()
        app.state.surveyor.close()
        app.state.quote_worker.close()
        app.state.uses.close()
        app.state.database.close()

    if not structlog.is_configured():
        # whoever serves it: unconfigured, a failure prints local variables
        configure_logging(settings.log_level)
    app = ReviewAPI(lifespan=lifespan)
    app.state.settings = settings
    app.state.database = Database(settings.get_database_url())
    app.state.passwords = Passwords()
    app.state.uses = UseNoter(app.state.database)
    app.state.secret_key = load_key(settings.data_dir)
    app.state.oidc = make_provider(settings)
    app.state.import_turn = threading.Lock()
    app.state.event_bus = EventBus(
        app.state.database,
        most=settings.streams,
        most_each=settings.streams_per_address,
    )
    app.state.explorer = Explorer(
        workers=settings.run_workers,
        seconds=settings.run_seconds,
        megabytes=settings.run_megabytes,
    )
    app.state.surveyor = Surveyor(app.state.database)
    app.state.quote_worker = QuoteWorker(
        app.state.database.url,
        has_work=partial(has_pending, app.state.database),
        log_level=settings.log_level,
    )
    add_error_handlers(app)
    app.router.routes.extend(get_routes())
    app.mount("/static", Files(directory=ROOT / "static"), name="static")
    if settings.hypothesis_client is not None:
        client = Files(directory=settings.hypothesis_client / "build")
        app.mount("/h/client/build", client, name="hypothesis_client")
    places = RouteMap(app.routes)
    require_policies(places.names)
    limits = make_limits(settings)
    # the last added is the outermost
    app.add_middleware(IdempotencyMiddleware, database=app.state.database)
    app.add_middleware(
        GateMiddleware,
        database=app.state.database,
        places=places,
        limits=limits,
    )
    app.add_middleware(
        GZipMiddleware,
        minimum_size=COMPRESSED_FROM,
        compresslevel=COMPRESSION,
    )
    app.add_middleware(ConditionMiddleware)
    app.add_middleware(
        PageCacheMiddleware,
        database=app.state.database,
        entries=settings.page_cache,
        on_move=app.state.quote_worker.begin,
    )
    app.add_middleware(NegotiationMiddleware)
    app.add_middleware(PreflightMiddleware)
    app.add_middleware(RateMiddleware, limits=limits, places=places)
    app.add_middleware(GuardMiddleware, settings=settings)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(SharingMiddleware)
    app.add_middleware(ProxyMiddleware, trusted=settings.trusted_proxies)
    app.add_middleware(RequestMiddleware, secure=settings.secure_cookies)
    return app


def make_provider(settings: Settings) -> Provider | None:
    """Return the OpenID provider that the settings name, if they do."""
    if not settings.oidc_issuer:
        return None
    return Provider(
        Registration(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
        )
    )
