"""What is unsafe in an installation: its settings, files and accounts.

Each rule is a small function that yields what it finds; nothing is changed.
Whether what stands before us, a proxy or a firewall, does its part cannot be
seen from here.
"""

import ipaddress
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlmodel import col

from app.config import LOOPBACK, Settings, split
from app.models import Scope, Token
from app.services import signing
from app.services.reviewers import has_administrator

WIDEST = {4: 8, 6: 16}
"""Fewest bits of a network that one operator's proxies could be in."""


class Finding(NamedTuple):
    """Something unsafe: the setting or file, why, and what to do."""

    subject: str
    danger: str
    remedy: str


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what is unsafe in the settings."""
    yield from check_transport(settings)
    yield from check_cookies(settings)
    yield from check_names(settings)
    yield from check_proxies(settings)
    yield from check_limits(settings)
    yield from check_database(settings)
    if settings.oidc_role and settings.oidc_issuer:
        yield Finding(
            "oidc_role",
            f"whoever the provider lets in becomes a {settings.oidc_role} "
            "without invitation",
            "leave it empty, unless the provider knows your people only",
        )


def check_transport(settings: Settings) -> Iterator[Finding]:
    """Yield who reads along between reader and program."""
    base = urlsplit(settings.base_url)
    if base.scheme == "http" and base.hostname not in LOOPBACK:
        yield Finding(
            "base_url",
            "readers come by plain HTTP: passwords, cookies and tokens can "
            "be read on the way",
            "put a proxy with HTTPS before it, and name its https:// address",
        )
    elif settings.host not in LOOPBACK and base.scheme != "https":
        yield Finding(
            "host",
            f"{settings.host} is reached from the network, by plain HTTP",
            "listen on 127.0.0.1 behind a proxy with HTTPS, and set base_url "
            "to its address",
        )


def check_cookies(settings: Settings) -> Iterator[Finding]:
    """Yield cookies that leak, or that no browser sends back."""
    scheme = urlsplit(settings.base_url).scheme
    if scheme == "https" and not settings.secure_cookies:
        yield Finding(
            "secure_cookies",
            "browsers would send the session's cookie by plain HTTP, too",
            "set it to true",
        )
    if scheme == "http" and settings.secure_cookies:
        yield Finding(
            "secure_cookies",
            "browsers do not send the cookie to an http:// address: nobody "
            "can sign in",
            "serve by HTTPS, or set it to false",
        )


def check_names(settings: Settings) -> Iterator[Finding]:
    """Yield that any host name is taken for ours."""
    if settings.get_hosts() is None:
        yield Finding(
            "allowed_hosts",
            "requests are taken for any Host: a foreign name that leads here "
            "can have pages of its own read the review",
            "set base_url, or allowed_hosts",
        )
    if "*" in settings.allowed_hosts:
        yield Finding(
            "allowed_hosts",
            "a * is no name of a host, and matches none",
            "name each host",
        )


def check_proxies(settings: Settings) -> Iterator[Finding]:
    """Yield who may claim another's address."""
    for part in split(settings.trusted_proxies):
        network = ipaddress.ip_network(part, strict=False)
        if network.prefixlen < WIDEST[network.version]:
            yield Finding(
                "trusted_proxies",
                f"{part} is more than your proxies: others could claim any "
                "address, and pass every limit",
                "name the addresses of the proxies",
            )
    base = urlsplit(settings.base_url)
    # we speak no HTTPS ourselves, and are not reached from afar on loopback
    has_proxy = base.scheme == "https" or (
        settings.host in LOOPBACK
        and base.hostname is not None
        and base.hostname not in LOOPBACK
    )
    if has_proxy and not settings.trusted_proxies:
        yield Finding(
            "trusted_proxies",
            "all readers come from the proxy's address, so that one who asks "
            "too often shuts out all",
            "set it to the address that the proxy comes from, such as "
            "127.0.0.1",
        )


def check_limits(settings: Settings) -> Iterator[Finding]:
    """Yield what may be asked without limit."""
    for name in ("reads", "writes", "sign_ins", "imports", "runs"):
        if not getattr(settings, f"limit_{name}"):
            yield Finding(
                f"limit_{name}",
                "nothing limits how often one may ask",
                "set it, such as 120/minute",
            )


def check_database(settings: Settings) -> Iterator[Finding]:
    """Yield a way to the database on which others read along."""
    url = make_url(settings.get_database_url())
    host = str(url.host or url.query.get("host", ""))
    if url.drivername == "sqlite" or not host or host in LOOPBACK:
        return
    mode = url.query.get("sslmode", "prefer")
    # what begins with a slash is the folder of a socket
    if not host.startswith("/") and mode not in {
        "require",
        "verify-ca",
        "verify-full",
    }:
        yield Finding(
            "database_url",
            f"the way to {host} may be plain text",
            "add ?sslmode=verify-full, or at least require",
        )


def check_files(settings: Settings) -> Iterator[Finding]:
    """Yield files that others on this machine can read or change."""
    folder = settings.data_dir
    if signing.is_readable_by_others(folder):
        yield Finding(
            str(folder / signing.KEY_FILE),
            "others on this machine can read the key that signs for us",
            "remove it; the next start makes another that they cannot read",
        )
    if not folder.is_dir():
        return
    if folder.stat().st_mode & stat.S_IWOTH:
        yield Finding(
            str(folder),
            "everybody on this machine can change what is in it",
            f"chmod o-w {folder}",
        )
    url = make_url(settings.get_database_url())
    file = Path(url.database or "")
    if (
        url.drivername == "sqlite"
        and file.is_file()
        and file.stat().st_mode & stat.S_IROTH
        and file.parent.stat().st_mode & stat.S_IXOTH
    ):
        yield Finding(
            str(file),
            "others on this machine can read the accounts in it",
            f"chmod 600 {file}, or chmod 700 its folder",
        )


def check_process() -> Iterator[Finding]:
    """Yield that the program may do all on this machine."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield Finding(
            "root",
            "it runs as root: whoever breaks in has the machine",
            "run it as a user of its own",
        )


def check_accounts(session: Session) -> Iterator[Finding]:
    """Yield keys that are good for too much, for too long."""
    eternal = session.execute(
        select(func.count())
        .select_from(Token)
        .where(
            col(Token.revoked_at).is_(None),
            col(Token.expires_at).is_(None),
            col(Token.scope) == Scope.admin,
        )
    ).scalar_one()
    if eternal:
        yield Finding(
            "tokens",
            f"{eternal} of scope admin never expire",
            "revoke them (`vmi-review token list`), and make others with "
            "--days and a smaller --scope",
        )
    if not has_administrator(session):
        yield Finding(
            "administrator",
            "none has a password or an OpenID identity, so each start prints "
            "a link that lets in whoever reads it",
            "sign in by the link and choose a password",
        )
