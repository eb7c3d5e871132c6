"""`vmi-review serve`: one process, ready when it says so.

It migrates and fills the database, then answers until Ctrl-C.
"""

import errno
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import typer
import uvicorn

from app.commands.accounts import get_address
from app.commands.connections import Connection
from app.commands.corpus import describe, refresh_runs
from app.commands.database import open_for_change
from app.commands.memory import settle_memory
from app.config import Settings
from app.errors import CommandError
from app.log import configure_logging
from app.main import create_app
from app.pages import format_minute
from app.services import corpus, proposals, reviewers, surveys

BACKLOG = 256
PATIENCE = 5


class Server(uvicorn.Server):
    """Uvicorn's server, that says when it is ready and when it ends.

    Parameters
    ----------
    announce
        Called once, when requests are answered.
    let_go
        Called when the end begins, to end what would never end by itself.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        let_go: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self.announce = announce
        self.let_go = let_go

    async def startup(
        self, sockets: list[socket.socket] | None = None
    ) -> None:
        """Start, put the garbage collector at rest, and say so."""
        await super().startup(sockets)
        settle_memory()
        self.announce()

    async def shutdown(
        self, sockets: list[socket.socket] | None = None
    ) -> None:
        """End the streams, for uvicorn waits for all that it answers."""
        self.let_go()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until the program is told to stop."""
    configure_logging(settings.log_level)
    listener = listen(settings.host, settings.port)
    try:
        port = listener.getsockname()[1]
        settings = settings.model_copy(update={"port": port})
        secret = prepare(settings)
        run(settings, listener, secret)
    finally:
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """Take the port, or say who has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"port {port} of {host} is taken by another program; "
                "choose another with --port"
            ) from None
        reason = error.strerror or str(error)
        raise CommandError(
            f"{host}, port {port}, cannot be listened on: {reason}"
        ) from None


def prepare(settings: Settings) -> str | None:
    """Bring the database up to date; return the administrator's secret.

    There is none once an administrator has a password.
    """
    with open_for_change(settings) as database:
        with database.read() as session:
            empty = proposals.find_proposal(session) is None
        if empty:
            typer.echo("Loading the bundled review …")
        with database.write() as session:
            if empty:
                typer.echo(describe(corpus.load_corpus(session)))
            secret = reviewers.ensure_administrator(
                session, hours=settings.link_hours
            )
        refresh_runs(settings, database)
        return secret


def run(
    settings: Settings, listener: socket.socket, secret: str | None
) -> None:
    """Answer requests on the listening socket until a signal ends it."""
    application = create_app(settings)
    config = uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # ours trusts the proxies that are set, and no other
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=PATIENCE,
    )

    def begin() -> None:
        announce(settings, secret)
        surveys.begin_all(
            application.state.database, application.state.surveyor
        )
        application.state.quote_worker.begin()

    server = Server(config, begin, application.state.event_bus.close)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn ends in good order, then raises the signal once more
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])
    if not server.started:
        raise CommandError("the server did not start; see the lines above")


def announce(settings: Settings, secret: str | None) -> None:
    """Say where the review is, and how the administrator signs in."""
    address = settings.base_url.rstrip("/") or get_address(settings)
    typer.echo(f"vmi-review is ready at {address}/")
    if secret is not None:
        until = datetime.now(UTC) + timedelta(hours=settings.link_hours)
        typer.echo(
            f"Sign in as administrator (once, until {format_minute(until)}): "
            f"{address}/sign-in/{secret}"
        )
