"""The application behind a real socket, in a thread of the test's process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from app.commands.connections import Connection

SECONDS = 30


@contextmanager
def serve_app(
    app: FastAPI, connection: type[Connection] = Connection
) -> Iterator[str]:
    """Serve an application on a free port; yield its address."""
    config = uvicorn.Config(
        app,
        http=connection,
        port=0,
        log_config=None,
        access_log=False,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(SECONDS)
