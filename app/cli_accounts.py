"""Commands about who may do what: accounts, tokens, members."""

from enum import StrEnum
from typing import Annotated

import typer

from app.commands.settings import load_command, read_settings

reviewer = typer.Typer(no_args_is_help=True, help="Accounts.")
token = typer.Typer(no_args_is_help=True, help="Keys for programs.")
member = typer.Typer(
    no_args_is_help=True, help="Who reads the review if it is private."
)


class RoleName(StrEnum):
    """What a reviewer may do, as the models name it."""

    reader = "reader"
    reviewer = "reviewer"
    editor = "editor"
    administrator = "administrator"


class ScopeName(StrEnum):
    """What a token may be used for, as the models name it."""

    read = "read"
    annotate = "annotate"
    edit = "edit"
    admin = "admin"


Name = Annotated[str, typer.Argument(help="Name of the account.")]


@reviewer.command("add")
def add_reviewer(
    name: Name,
    role: Annotated[
        RoleName, typer.Option(help="What they may do.")
    ] = RoleName.reviewer,
    *,
    link: Annotated[
        bool,
        typer.Option(
            "--link",
            help="Print a one-time sign-in link instead of asking for a "
            "password; also for an account that there is.",
        ),
    ] = False,
) -> None:
    """Add an account."""
    load_command("accounts").add_reviewer(
        read_settings(), name, role.value, link=link
    )


@reviewer.command("password")
def set_password(name: Name) -> None:
    """Set an account's password, and end its sign-ins."""
    load_command("accounts").set_password(read_settings(), name)


@reviewer.command("invite")
def invite_reviewer(
    role: Annotated[
        RoleName, typer.Option(help="What they will be able to do.")
    ] = RoleName.reviewer,
    note: Annotated[
        str, typer.Option(help="Whom it is for; the log does not tell it.")
    ] = "",
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=90,
            help="How long it is good.  [default: as invitation-days is set]",
        ),
    ] = None,
) -> None:
    """Print a link by which somebody makes an account, once."""
    load_command("accounts").invite(read_settings(), role.value, note, days)


@reviewer.command("role")
def change_role(
    name: Name,
    role: Annotated[RoleName, typer.Argument(help="What they may do.")],
) -> None:
    """Give an account another role."""
    load_command("accounts").change_role(read_settings(), name, role.value)


@reviewer.command("disable")
def disable_reviewer(name: Name) -> None:
    """Let an account in no more; its sessions, tokens and links end."""
    load_command("accounts").set_disabled(read_settings(), name, True)


@reviewer.command("enable")
def enable_reviewer(name: Name) -> None:
    """Let a disabled account sign in again."""
    load_command("accounts").set_disabled(read_settings(), name, False)


@reviewer.command("list")
def list_reviewers() -> None:
    """Print all accounts: name, role, state, when last seen."""
    load_command("accounts").list_accounts(read_settings())


@token.command("create")
def create_token(
    name: Name,
    label: Annotated[
        str, typer.Option(help="What it is for, as its holder sees it.")
    ] = "token",
    scope: Annotated[
        ScopeName, typer.Option(help="What it may be used for.")
    ] = ScopeName.admin,
    days: Annotated[
        int,
        typer.Option(
            min=0, max=36_500, help="How long it is good; 0 is for ever."
        ),
    ] = 366,
) -> None:
    """Print a new key for the API; it is shown this once."""
    load_command("accounts").create_token(
        read_settings(), name, label, scope.value, days
    )


@token.command("list")
def list_tokens(name: Name) -> None:
    """Print the tokens of an account: number, scope, end, last use."""
    load_command("accounts").list_tokens(read_settings(), name)


@token.command("revoke")
def revoke_token(
    number: Annotated[
        int, typer.Argument(help="Its number, as `token list` prints it.")
    ],
) -> None:
    """Make a token useless from now on."""
    load_command("accounts").revoke_token(read_settings(), number)


@member.command("list")
def list_members() -> None:
    """Print the members, and whether the review is private."""
    load_command("accounts").list_members(read_settings())


@member.command("add")
def add_member(name: Name) -> None:
    """Let an account read the review when it is private."""
    load_command("accounts").add_member(read_settings(), name)


@member.command("remove")
def remove_member(name: Name) -> None:
    """Let an account read the review no more when it is private."""
    load_command("accounts").remove_member(read_settings(), name)


@member.command("close")
def close_review() -> None:
    """Make the review private: members read it, and nobody else."""
    load_command("accounts").set_private(read_settings(), True)


@member.command("open")
def open_review() -> None:
    """Let everybody read the review."""
    load_command("accounts").set_private(read_settings(), False)
