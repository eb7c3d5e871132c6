"""`vmi-review reviewer add`, `reviewer password`, `token create`."""

import sys

import typer

from app.commands.database import open_for_change
from app.config import Settings
from app.errors import CommandError
from app.models import Role
from app.services import reviewers, tokens
from app.services.passwords import Passwords


def add_reviewer(
    settings: Settings, name: str, role: str, *, link: bool
) -> None:
    """Add an account that signs in by password, or by a link."""
    if link:
        _print_link(settings, name, role)
        return
    reviewers.require_name(name)
    password_hash = Passwords().hash(_ask_password())
    with open_for_change(settings) as database, database.write() as session:
        reviewers.add_reviewer(
            session, name, Role(role), password_hash=password_hash
        )
    typer.echo(f"{name} was added as {role}")


def set_password(settings: Settings, name: str) -> None:
    """Give an account another password; its sign-ins end."""
    password_hash = Passwords().hash(_ask_password())
    with open_for_change(settings) as database, database.write() as session:
        reviewers.set_password(session, name, password_hash)
    typer.echo(f"{name} has a new password")


def _print_link(settings: Settings, name: str, role: str) -> None:
    hours = settings.link_hours
    with open_for_change(settings) as database, database.write() as session:
        if reviewers.find_account(session, name) is None:
            reviewers.add_reviewer(session, name, Role(role))
        secret = reviewers.create_link(session, name, hours=hours)
    base_url = settings.base_url.rstrip("/") or get_address(settings)
    typer.echo(f"{base_url}/sign-in/{secret}")
    typer.echo(f"signs {name} in once, within {hours} hours", err=True)


def get_address(settings: Settings) -> str:
    """Return where the server answers, as far as the settings tell."""
    host = settings.host
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


def _ask_password() -> str:
    if sys.stdin.isatty():
        password: str = typer.prompt(
            "Password", hide_input=True, confirmation_prompt=True
        )
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandError("the password is empty")
    return password


def create_token(settings: Settings, name: str, label: str) -> None:
    """Print the secret of a new token."""
    with open_for_change(settings) as database, database.write() as session:
        secret = tokens.create_token(session, name, label).secret
    typer.echo(secret)
