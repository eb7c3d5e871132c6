"""`vmi-review reviewer …`, `token …` and `member …`."""

import sys
from datetime import datetime

import typer

from app.commands.database import open_for_change
from app.config import Settings
from app.errors import CommandError
from app.models import Role, Scope
from app.services import accounts, invitations, members, reviewers, tokens
from app.services.lines import clean_line
from app.services.passwords import Passwords
from app.services.windows import Window

AT_ONCE = 500


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
        secret = accounts.create_link(
            session, name, hours=hours, actor=reviewers.PROGRAM
        )
    typer.echo(f"{_get_base(settings)}/sign-in/{secret}")
    typer.echo(f"signs {name} in once, within {hours} hours", err=True)


def invite(settings: Settings, role: str, note: str, days: int | None) -> None:
    """Print the link of a new invitation."""
    days = days or settings.invitation_days
    note = _clean("--note", note)
    with open_for_change(settings) as database, database.write() as session:
        made = invitations.create_invitation(
            session, None, Role(role), note=note, days=days
        )
    typer.echo(f"{_get_base(settings)}/invitations/{made.secret}")
    typer.echo(f"makes one {role}, within {days} days", err=True)


def _clean(option: str, value: str) -> str:
    """Return what was typed as a line, or refuse it by its option."""
    try:
        return clean_line(value)
    except ValueError as error:
        raise CommandError(f"{option}: {error}", status=2) from None


def _get_base(settings: Settings) -> str:
    return settings.base_url.rstrip("/") or get_address(settings)


def change_role(settings: Settings, name: str, role: str) -> None:
    """Give an account another role."""
    with open_for_change(settings) as database, database.write() as session:
        accounts.change_role(session, name, Role(role))
    typer.echo(f"{name} is {role} now")


def set_disabled(settings: Settings, name: str, is_disabled: bool) -> None:
    """Let an account in no more, or again."""
    with open_for_change(settings) as database, database.write() as session:
        if is_disabled:
            accounts.disable_account(session, name)
        else:
            accounts.enable_account(session, name)
    typer.echo(f"{name} is {'disabled' if is_disabled else 'enabled'} now")


def list_accounts(settings: Settings) -> None:
    """Print a line for each account."""
    after = 0
    with open_for_change(settings) as database, database.read() as session:
        while rows := accounts.list_accounts(
            session, Window(above=after, limit=AT_ONCE)
        ):
            for row in rows:
                state = "disabled" if row.disabled_at else "enabled"
                seen = _format(row.seen_at)
                typer.echo(f"{row.name}\t{row.role}\t{state}\t{seen}")
            after = rows[-1].id


def _format(at: datetime | None, none: str = "never") -> str:
    return at.strftime("%Y-%m-%dT%H:%MZ") if at else none


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


def create_token(
    settings: Settings, name: str, label: str, scope: str, days: int
) -> None:
    """Print the secret of a new token."""
    label = _clean("--label", label)
    with open_for_change(settings) as database, database.write() as session:
        made = tokens.create_token(
            session,
            name,
            label,
            scope=Scope(scope),
            days=days or None,
        )
    typer.echo(made.secret)


def list_tokens(settings: Settings, name: str) -> None:
    """Print a line for each token of an account."""
    with open_for_change(settings) as database, database.read() as session:
        account = reviewers.require_account(session, name)
        for row in tokens.list_tokens(session, account.id):
            ends = _format(row.expires_at)
            typer.echo(
                f"{row.id}\t{row.start}…\t{row.scope}\tends {ends}\t"
                f"used {_format(row.used_at)}\t{row.name}"
            )


def revoke_token(settings: Settings, number: int) -> None:
    """Make a token useless."""
    with open_for_change(settings) as database, database.write() as session:
        tokens.revoke_token(session, number)
    typer.echo(f"token {number} is revoked")


def list_members(settings: Settings) -> None:
    """Print the members, and whether it matters who is one."""
    with open_for_change(settings) as database, database.read() as session:
        is_private = members.require_proposal(session).is_private
        rows = members.list_members(session)
    typer.echo(
        f"the review is {'private' if is_private else 'open'}", err=True
    )
    for row in rows:
        typer.echo(f"{row.name}\t{row.role}\t{_format(row.added_at)}")


def add_member(settings: Settings, name: str) -> None:
    """Make an account a member."""
    with open_for_change(settings) as database, database.write() as session:
        members.add_member(session, name)
    typer.echo(f"{name} is a member")


def remove_member(settings: Settings, name: str) -> None:
    """Let an account be a member no more."""
    with open_for_change(settings) as database, database.write() as session:
        members.remove_member(session, name)
    typer.echo(f"{name} is no member any more")


def set_private(settings: Settings, is_private: bool) -> None:
    """Close the review, or open it."""
    with open_for_change(settings) as database, database.write() as session:
        members.set_private(session, is_private)
    typer.echo(f"the review is {'private' if is_private else 'open'} now")
