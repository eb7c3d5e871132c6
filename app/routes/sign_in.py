"""Signing in, by password or by a link that is good once, and out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, TypeVar

import structlog
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.config import Settings
from app.dependencies import DatabaseDep, SessionDep
from app.errors import NotFoundError, ReviewError, ThrottleError
from app.forms import FormDep, SignInForm, check_form
from app.identity import drop_cookie, get_cookie, keep_cookie
from app.pages import Page, Shell, ShellDep, get_shell, render
from app.services import reviewers, sessions
from app.services.passwords import Passwords
from app.services.sessions import Origin

router = APIRouter(include_in_schema=False)

SECRET_LENGTH = 200
PASSWORD = "password"  # noqa: S105 - the word
logger = structlog.get_logger()

ResponseType = TypeVar("ResponseType", bound=Response)
Secret = Annotated[str, Path(max_length=SECRET_LENGTH)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage(Page):
    """The form that asks for a name and a password."""

    template: ClassVar[str] = "sign_in/show.html"
    title: str = "Sign in"
    name: str = ""
    next: str = "/"
    provider: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage(Page):
    """The button that uses a link up; `name` is None if it is good no more."""

    template: ClassVar[str] = "sign_in/link.html"
    title: str = "Sign in by link"
    name: str | None


@router.get("/sign-in")
def new_sign_in(
    request: Request,
    shell: ShellDep,
    next: str = "/",  # noqa: A002 - the word in the address
) -> Response:
    """Show the sign-in form."""
    page = SignInPage(
        next=require_place(next), provider=get_provider_label(request)
    )
    return keep_secret(render(request, shell, page))


@router.post("/sign-in")
def create_sign_in(
    request: Request, database: DatabaseDep, typed: FormDep
) -> Response:
    """Sign in by password, and go back to where one was."""
    form, errors = check_form(SignInForm, typed)
    if form is None:
        return _show_again(request, database, typed, errors)
    with database.read() as session:
        account = reviewers.find_account(session, form.name)
    passwords: Passwords = request.app.state.passwords
    try:
        # who was disabled is nobody, and takes as long to refuse
        may_enter = account is not None and not account.is_disabled
        stored = account.password_hash if account and may_enter else None
        good = passwords.verify(
            form.name, form.password, stored, get_origin(request).address
        )
    except ThrottleError as error:
        tell_refused(request, PASSWORD)
        return _show_again(
            request, database, typed, {"password": str(error)}, error
        )
    if account is None or not good:
        tell_refused(request, PASSWORD)
        wrong = {"password": "name and password do not belong together"}
        return _show_again(request, database, typed, wrong)
    with database.write() as session:
        return open_session(request, session, account.id, PASSWORD, form.next)


@router.get("/sign-in/{secret}")
def use_sign_in_link(
    request: Request, shell: ShellDep, session: SessionDep, secret: Secret
) -> Response:
    """Show whom the link signs in; reading changes nothing."""
    holder = reviewers.find_link_holder(session, secret)
    if holder is None:
        tell_refused(request, sessions.LINK)
    page = LinkPage(name=holder.name if holder else None)
    status = 200 if holder else 404
    return keep_secret(render(request, shell, page, status=status))


@router.post("/sign-in/{secret}")
def consume_sign_in_link(
    request: Request, session: SessionDep, secret: Secret
) -> Response:
    """Use the link up and sign in."""
    try:
        visitor = reviewers.use_link(session, secret)
    except NotFoundError:
        tell_refused(request, sessions.LINK)
        raise
    return open_session(request, session, visitor.id, sessions.LINK, "/")


@router.post("/sign-out")
def delete_sign_in(request: Request, session: SessionDep) -> Response:
    """End the session, here and in the database."""
    secret = get_cookie(request)
    if secret:
        sessions.sign_out(session, secret)
    response = RedirectResponse("/", status_code=303)
    drop_cookie(request, response)
    return response


def tell_refused(request: Request, means: str) -> None:
    """Let the operator know that somebody was not let in, and from where.

    Neither the name nor the secret that was typed is told: people type one
    for the other.
    """
    logger.warning(
        "sign_in_refused", address=get_origin(request).address, means=means
    )


def require_place(place: str) -> str:
    """Return a path of this site; anything else becomes the first page."""
    starts_well = place.startswith("/") and not place.startswith("//")
    plain = place.isprintable() and "\\" not in place
    return place if starts_well and plain else "/"


def open_session(
    request: Request,
    session: Session,
    reviewer_id: int,
    means: str,
    place: str,
) -> Response:
    """Begin a session and lead on; one that was open in its place ends."""
    settings: Settings = request.app.state.settings
    former = get_cookie(request)
    if former:
        sessions.sign_out(session, former)
    secret = sessions.sign_in(
        session,
        reviewer_id,
        days=settings.session_days,
        means=means,
        origin=get_origin(request),
    )
    response = RedirectResponse(require_place(place), status_code=303)
    keep_cookie(request, response, secret)
    return keep_secret(response)


def get_provider_label(request: Request) -> str:
    """Return what readers call the OpenID provider; empty if none is set."""
    settings: Settings = request.app.state.settings
    return settings.oidc_label if settings.oidc_issuer else ""


def get_origin(request: Request) -> Origin:
    """Return where a request comes from, and which browser sends it."""
    return Origin(
        address=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", ""),
    )


def keep_secret(response: ResponseType) -> ResponseType:
    """Let nothing of this page or of its address be kept or passed on.

    Its own forms still say where they are from, so not `no-referrer`.
    """
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


def _show_again(
    request: Request,
    database: DatabaseDep,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    refusal: ReviewError | None = None,
) -> Response:
    with database.read() as session:
        shell: Shell = get_shell(session, None)
    page = SignInPage(
        name=typed.get("name", ""),
        next=require_place(typed.get("next", "/")),
        provider=get_provider_label(request),
        errors=errors,
    )
    status = 422
    if isinstance(refusal, ThrottleError):
        status = 429
    response = render(request, shell, page, status=status)
    if isinstance(refusal, ThrottleError):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return keep_secret(response)
