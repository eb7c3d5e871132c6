"""What schemathesis has to know of this API: its other kinds of bodies."""

import uuid
from typing import Any

import schemathesis
from schemathesis.transport.serialization import Binary

KEY = "Idempotency-Key"
MATCH = "If-Match"
PLAIN = frozenset("0123456789")


@schemathesis.serializer(
    "message/rfc822", "application/mbox", "application/x-ndjson"
)
def send_bytes(_context: schemathesis.SerializationContext, value: Any) -> Any:
    """Send a mail, or lines, as bytes, and what is none as it is written."""
    if isinstance(value, Binary):
        return {"data": value.data}
    data = value if isinstance(value, bytes) else str(value).encode()
    return {"data": data}


@schemathesis.hook
def before_call(
    _context: schemathesis.HookContext,
    case: schemathesis.Case[Any],
    _arguments: dict[str, Any],
) -> None:
    """Give each request a key of its own, and quotes to a tag.

    The numbers that are made of these headers' patterns do not match them.
    """
    headers: Any = case.headers
    if headers and set(headers.get(KEY) or "-") <= PLAIN:
        headers[KEY] = str(uuid.uuid4())
    if headers and set(headers.get(MATCH) or "-") <= PLAIN:
        headers[MATCH] = f'"{headers[MATCH]}"'
