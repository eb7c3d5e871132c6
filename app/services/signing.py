"""Signed statements of our own: made here, read here, good for a time.

The key is made on the first start and kept in a file that nobody else can
read. A statement names its purpose, so that one made for one thing is worth
nothing for another.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.errors import CommandError

KEY_BYTES = 32
KEY_FILE = "secret.key"
ALGORITHM = "HS256"
LONGEST = 8192
"""Most characters of a statement that is looked at."""

PRIVATE = 0o600
OTHERS = 0o077


def sign(
    key: bytes, purpose: str, claims: Mapping[str, Any], *, seconds: float
) -> str:
    """Return the claims signed for one purpose, good for some seconds."""
    until = int(time.time() + seconds)
    return jwt.encode(
        {"alg": ALGORITHM},
        {**claims, "aud": purpose, "exp": until},
        OctKey.import_key(key),
        algorithms=[ALGORITHM],
    )


def read(key: bytes, purpose: str, text: str) -> dict[str, Any] | None:
    """Return what was signed for this purpose; None if it is not good."""
    if len(text) > LONGEST:
        return None
    try:
        claims = jwt.decode(
            text, OctKey.import_key(key), algorithms=[ALGORITHM]
        ).claims
    except (JoseError, ValueError):
        return None
    good = (
        claims.pop("aud", None) == purpose
        and claims.pop("exp", 0) > time.time()
    )
    return claims if good else None


def load_key(folder: Path) -> bytes:
    """Return the installation's key, made when there is none yet.

    Raises
    ------
    CommandError
        When the file is there and holds no key.
    """
    path = folder / KEY_FILE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise CommandError(
            f"{path} holds {len(key)} bytes, not a key of {KEY_BYTES}; "
            "remove it and a new one is made"
        )
    return key


def is_readable_by_others(folder: Path) -> bool:
    """Tell whether others on this machine can read the key."""
    path = folder / KEY_FILE
    return path.exists() and bool(path.stat().st_mode & OTHERS)


def _make_key(path: Path) -> None:
    # written aside and linked, so that two that start at once agree on one
    # key, and none sees half of it
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
