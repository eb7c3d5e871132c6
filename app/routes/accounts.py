"""What an administrator sees of accounts and does with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.config import Settings
from app.dependencies import SessionDep
from app.errors import Fault, InvalidError
from app.forms import LARGEST, FormDep, RoleForm, check_form
from app.identity import SignedIn
from app.models import Role
from app.pages import Page, ShellDep, get_shell, render
from app.routes.account import ROLES
from app.routes.invitations import PAGE_LENGTH, Before, build_link
from app.routes.sign_in import keep_secret
from app.services import accounts, audit, sessions
from app.services.accounts import AccountRow
from app.services.audit import AuditKind, AuditLine
from app.services.reviewers import NAME_LENGTH
from app.services.windows import Window

router = APIRouter(include_in_schema=False)

Name = Annotated[str, Path(max_length=NAME_LENGTH)]
RECENT = Window(limit=20, is_newest_first=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsPage(Page):
    """Accounts in the order they were made."""

    template: ClassVar[str] = "accounts/list.html"
    title: str = "Accounts"
    accounts: Sequence[AccountRow]
    count: int
    following: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneAccountPage(Page):
    """An account, and what was done by it and to it last."""

    template: ClassVar[str] = "accounts/show.html"
    account: AccountRow
    acts: Sequence[AuditLine]
    roles: Sequence[tuple[Role, str]] = ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMadePage(Page):
    """A sign-in link for somebody else, shown this once."""

    template: ClassVar[str] = "accounts/link.html"
    title: str = "A sign-in link"
    name: str
    link: str
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage(Page):
    """Acts on accounts, the newest first."""

    template: ClassVar[str] = "accounts/audit.html"
    title: str = "Audit"
    acts: Sequence[AuditLine]
    account: str
    kind: AuditKind | None
    following: int | None
    kinds: Sequence[str] = tuple(AuditKind)


@router.get("/accounts/")
def list_accounts(
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
) -> Response:
    """Show all accounts."""
    rows = accounts.list_accounts(
        session, Window(above=after, limit=PAGE_LENGTH + 1)
    )
    page = AccountsPage(
        accounts=rows[:PAGE_LENGTH],
        count=accounts.count_accounts(session),
        following=rows[PAGE_LENGTH - 1].id
        if len(rows) > PAGE_LENGTH
        else None,
    )
    return keep_secret(render(request, shell, page))


@router.get("/accounts/audit")
def show_audit(  # noqa: PLR0913, PLR0917 - the filters of the page
    request: Request,
    shell: ShellDep,
    session: SessionDep,
    account: Annotated[str, Query(max_length=NAME_LENGTH)] = "",
    kind: Annotated[str, Query(max_length=NAME_LENGTH)] = "",
    before: Before = None,
) -> Response:
    """Show what was done to accounts, and by whom."""
    if kind and kind not in set(AuditKind):
        raise InvalidError(
            f"{kind!r} is no kind of act; expected {', '.join(AuditKind)}",
            Fault("/kind", "expected a kind of act"),
        )
    chosen = AuditKind(kind) if kind else None
    rows = audit.list_acts(
        session,
        account=account,
        kind=chosen,
        window=Window(
            below=before, limit=PAGE_LENGTH + 1, is_newest_first=True
        ),
    )
    page = AuditPage(
        acts=rows[:PAGE_LENGTH],
        account=account,
        kind=chosen,
        following=rows[PAGE_LENGTH - 1].seq
        if len(rows) > PAGE_LENGTH
        else None,
    )
    return keep_secret(render(request, shell, page))


@router.get("/accounts/@{name}")
def show_reviewer(
    request: Request, shell: ShellDep, session: SessionDep, name: Name
) -> Response:
    """Show an account, and what may be done with it."""
    account = accounts.get_account(session, name)
    page = OneAccountPage(
        title=account.name,
        account=account,
        acts=audit.list_acts(session, account=account.name, window=RECENT),
    )
    return keep_secret(render(request, shell, page))


@router.post("/accounts/@{name}/role")
def change_role(
    request: Request,
    session: SessionDep,
    visitor: SignedIn,
    typed: FormDep,
    name: Name,
) -> Response:
    """Give an account another role."""
    form, errors = check_form(RoleForm, typed)
    if form is None:
        raise InvalidError(
            f"expected one of {', '.join(Role)}",
            Fault("/role", errors["role"]),
        )
    accounts.change_role(session, name, form.role, actor=visitor.actor)
    return _go_back(request, name)


@router.post("/accounts/@{name}/disable")
def disable_account(
    request: Request, session: SessionDep, visitor: SignedIn, name: Name
) -> Response:
    """Let an account sign in no more."""
    accounts.disable_account(session, name, actor=visitor.actor)
    return _go_back(request, name)


@router.post("/accounts/@{name}/enable")
def enable_account(
    request: Request, session: SessionDep, visitor: SignedIn, name: Name
) -> Response:
    """Let an account sign in again."""
    accounts.enable_account(session, name, actor=visitor.actor)
    return _go_back(request, name)


@router.post("/accounts/@{name}/sessions/end")
def end_account_sessions(
    request: Request, session: SessionDep, visitor: SignedIn, name: Name
) -> Response:
    """End all sessions of an account; it may sign in again."""
    account = accounts.get_account(session, name)
    sessions.end_all(session, name, account.id, actor=visitor.actor)
    return _go_back(request, name)


@router.post("/accounts/@{name}/link")
def make_sign_in_link(
    request: Request, session: SessionDep, visitor: SignedIn, name: Name
) -> Response:
    """Make a link that signs somebody in once, as who forgot a password."""
    settings: Settings = request.app.state.settings
    hours = settings.link_hours
    secret = accounts.create_link(
        session, name, hours=hours, actor=visitor.actor
    )
    page = LinkMadePage(
        name=name,
        link=build_link(request, "use_sign_in_link", secret),
        hours=hours,
    )
    shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=HTTPStatus.CREATED))


def _go_back(request: Request, name: str) -> Response:
    return RedirectResponse(
        request.app.url_path_for("show_reviewer", name=name),
        status_code=HTTPStatus.SEE_OTHER,
    )
