"""One's own account: sessions, tokens, password, identities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.dependencies import DatabaseDep, SessionDep
from app.forms import (
    LARGEST,
    FormDep,
    NameForm,
    PasswordForm,
    TokenForm,
    Typed,
    check_form,
)
from app.identity import SignedIn, get_access
from app.models import Role, Scope
from app.pages import Page, get_shell, render
from app.routes.sign_in import (
    get_origin,
    get_provider_label,
    keep_secret,
    open_session,
)
from app.services import (
    accounts,
    identities,
    reviewers,
    sessions,
    tokens,
)
from app.services.accounts import AccountRow
from app.services.identities import IdentityRow
from app.services.passwords import Passwords
from app.services.reviewers import Visitor
from app.services.sessions import SessionRow
from app.services.tokens import TokenRow

router = APIRouter(include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=LARGEST)]
DAYS = ((7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year"))
DEFAULT_DAYS = 90
SCOPES: Sequence[tuple[Scope, str]] = (
    (Scope.read, "read the review"),
    (Scope.annotate, "and comment, open threads, take a stance"),
    (Scope.edit, "and what an editor does"),
    (Scope.admin, "and all that you may do, this page included"),
)
"""What a token is for, each word including those before it."""

ACTS: Mapping[Role, str] = {
    Role.reader: "read and ask questions",
    Role.reviewer: "comment, open threads, take a stance, decide",
    Role.editor: "import mail, revise the document, settle places",
    Role.administrator: "look after accounts and members",
}
"""What a role may do, beside what those before it may."""

ROLES: Sequence[tuple[Role, str]] = tuple(
    (role, f"{role}: may {'' if role is Role.reader else 'also '}{acts}")
    for role, acts in ACTS.items()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage(Page):
    """The account of who asks; `errors` are by form, then by field.

    `asks_password` tells whether another one needs the present one.
    """

    template: ClassVar[str] = "account/show.html"
    title: str = "Your account"
    account: AccountRow
    sessions: Sequence[SessionRow]
    tokens: Sequence[TokenRow]
    identities: Sequence[IdentityRow]
    provider: str
    acts: Sequence[str]
    asks_password: bool
    draft: Typed = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    scopes: Sequence[tuple[Scope, str]] = SCOPES
    days: Sequence[tuple[int, str]] = DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPage(Page):
    """A token that was made, shown this once."""

    template: ClassVar[str] = "account/token.html"
    title: str = "A new token"
    token: TokenRow
    secret: str


@router.get("/account/")
def show_account(
    request: Request, session: SessionDep, visitor: SignedIn
) -> Response:
    """Show who one is here, and by what one comes in."""
    return _show(request, session, visitor)


@router.post("/account/name")
def rename_account(
    request: Request, session: SessionDep, visitor: SignedIn, typed: FormDep
) -> Response:
    """Let oneself be called otherwise."""
    form, errors = check_form(NameForm, typed)
    if form is None:
        return _show(request, session, visitor, typed, errors)
    accounts.change_display_name(session, visitor, form.display_name)
    return _go_back("name-head")


@router.post("/account/password")
def change_password(
    request: Request, database: DatabaseDep, visitor: SignedIn, typed: FormDep
) -> Response:
    """Set another password: all other sessions end, this one is renewed.

    Who forgot the present one comes by a link, and is not asked for it.
    """
    form, errors = check_form(PasswordForm, typed)
    passwords: Passwords = request.app.state.passwords
    if form is not None:
        with database.read() as session:
            account = reviewers.require_account(session, visitor.name)
            asks = _asks_password(
                request, session, has_one=account.password_hash is not None
            )
        if asks and not passwords.verify(
            visitor.name,
            form.current,
            account.password_hash,
            get_origin(request).address,
        ):
            errors = {"current": "this is not the present password"}
    if form is None or errors:
        with database.read() as session:
            return _show(request, session, visitor, errors=errors)
    password_hash = passwords.hash(form.password)
    with database.write() as session:
        reviewers.set_password(
            session, visitor.name, password_hash, actor=visitor.actor
        )
        return open_session(
            request, session, visitor.id, "password", "/account/"
        )


@router.post("/account/tokens")
def make_token(
    request: Request, session: SessionDep, visitor: SignedIn, typed: FormDep
) -> Response:
    """Make a token, and show it this once."""
    form, errors = check_form(TokenForm, typed)
    if form is None:
        return _show(request, session, visitor, typed, errors)
    made = tokens.create_own_token(
        session, visitor, form.name, form.scope, form.days
    )
    page = TokenPage(token=made.row, secret=made.secret)
    shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=HTTPStatus.CREATED))


@router.post("/account/tokens/{number}/revoke")
def revoke_token(
    session: SessionDep, visitor: SignedIn, number: Number
) -> Response:
    """Make a token of one's own useless."""
    tokens.revoke_own_token(session, visitor, number)
    return _go_back("tokens-head")


@router.post("/account/sessions/end-others")
def end_other_sessions(
    request: Request, session: SessionDep, visitor: SignedIn
) -> Response:
    """End all sessions but the one that asks."""
    sessions.end_others(session, visitor, get_access(request).session_id)
    return _go_back("sessions-head")


@router.post("/account/sessions/{number}/end")
def end_session(
    session: SessionDep, visitor: SignedIn, number: Number
) -> Response:
    """End a session of one's own."""
    sessions.end_session(session, visitor, number)
    return _go_back("sessions-head")


@router.post("/account/identities/{number}/unlink")
def unlink_identity(
    session: SessionDep, visitor: SignedIn, number: Number
) -> Response:
    """Let an identity of one's own sign in no more."""
    identities.unlink_identity(session, visitor, number)
    return _go_back("identities-head")


def _show(
    request: Request,
    session: Session,
    visitor: Visitor,
    typed: Typed | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    current = get_access(request).session_id
    account = accounts.get_account(session, visitor.name)
    page = AccountPage(
        account=account,
        asks_password=_asks_password(
            request, session, has_one=account.has_password
        ),
        sessions=sessions.list_sessions(session, visitor.id, current),
        tokens=tokens.list_tokens(session, visitor.id),
        identities=identities.list_identities(session, visitor.id),
        provider=get_provider_label(request),
        acts=[acts for role, acts in ACTS.items() if visitor.may(role)],
        draft=typed or {"days": str(DEFAULT_DAYS)},
        errors=errors or {},
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if page.errors else HTTPStatus.OK
    shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=status))


def _asks_password(
    request: Request, session: Session, *, has_one: bool
) -> bool:
    current = get_access(request).session_id
    return has_one and not sessions.is_new_by_link(session, current)


def _go_back(part: str) -> Response:
    return RedirectResponse(
        f"/account/#{part}", status_code=HTTPStatus.SEE_OTHER
    )
