"""What a connection may take before a request is known: bytes and seconds.

What follows a request's head is bounded by the guard (`app.guard`), which is
asked only once the head is whole; the server itself keeps any number of
header lines, and waits for them for ever.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MOST = 64 * 1024
"""Bytes of a head in parts; one that comes at once is one reading's length."""

HEAD_SECONDS = 20.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """A connection that is closed if a head is too long, or too slow."""

    seconds = HEAD_SECONDS
    is_in_head = True
    head_count = 0
    head_bytes = 0
    patience: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for a first head."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._rest()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        self.is_in_head = True

    def on_headers_complete(self) -> None:
        """Leave the rest to the application."""
        self.is_in_head = False
        self.head_count += 1
        self._rest()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came, and count it if no head was completed by it."""
        before = self.head_count
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.head_count != before:
            self.head_bytes = 0
        elif self.is_in_head:
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_MOST:
                self._refuse()
                return
        is_waiting = self.is_in_head or not self._is_answering()
        if is_waiting and self.patience is None:
            self._watch()

    def _watch(self) -> None:
        self.patience = self.loop.call_later(self.seconds, self._give_up)

    def _rest(self) -> None:
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None

    def _give_up(self) -> None:
        self.patience = None
        if not self._is_answering():
            self.transport.close()

    def _refuse(self) -> None:
        if not self._is_answering():
            self.transport.write(TOO_LARGE)
        self.transport.close()

    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete
