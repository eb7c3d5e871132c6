"""Signing in by an OpenID provider: there and back.

What has to come back is kept in a signed cookie for some minutes, so that an
answer counts only in the browser that asked. Who comes back unknown names
their account, and who links an identity confirms it, on a page of ours: the
provider alone never changes an account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import Database
from app.dependencies import DatabaseDep
from app.errors import ConflictError, ForbiddenError, NotFoundError
from app.forms import AccountName, FormDep, check_form
from app.identity import CurrentReviewer, SignedIn
from app.models import Role, get_id
from app.pages import Page, get_shell, render
from app.routes.sign_in import (
    Secret,
    get_provider_label,
    keep_secret,
    open_session,
    require_place,
    tell_refused,
)
from app.services import identities, invitations, reviewers
from app.services.oidc import Claimed, Provider, is_same
from app.services.reviewers import Visitor, compute_digest
from app.services.signing import read, sign

router = APIRouter(include_in_schema=False)

FLOW_COOKIE = "vmi_review_oidc"
FLOW_SECONDS = 600
FLOW = "oidc-flow"
CLAIM = "oidc-claim"
OPENID = "OpenID"
WORD_LENGTH = 4000

Word = Annotated[str, Query(max_length=WORD_LENGTH)]
Parameter = Annotated[str, Field(max_length=WORD_LENGTH)]


class Aim(StrEnum):
    """What somebody went to the provider for."""

    sign_in = "sign-in"
    link = "link"
    invited = "invited"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPage(Page):
    """Who the provider says this is, before anything is made of it.

    `claim` is that, signed; `name` is what the account may be called.
    """

    template: ClassVar[str] = "oidc/claim.html"
    title: str
    provider: str
    claim: str
    subject: str
    is_link: bool
    name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPage(Page):
    """Why nobody was signed in."""

    template: ClassVar[str] = "oidc/refused.html"
    title: str = "Not signed in"
    provider: str
    reason: str


class ProviderAnswer(BaseModel):
    """What the provider sends somebody back with; anybody can make it up."""

    state: Parameter = ""
    code: Parameter = ""
    iss: Parameter = ""
    error: Parameter = ""


class ClaimForm(BaseModel):
    """How the account is to be called."""

    name: AccountName


@router.get("/oidc/start")
def begin_sign_in(
    request: Request,
    next: Word = "/",  # noqa: A002 - the word in the address
) -> Response:
    """Go to the provider to sign in."""
    return _begin(request, {"aim": Aim.sign_in, "next": require_place(next)})


@router.get("/oidc/link")
def begin_link(request: Request, visitor: SignedIn) -> Response:
    """Go to the provider to link an identity to one's account."""
    return _begin(request, {"aim": Aim.link, "reviewer": visitor.id})


@router.get("/invitations/{secret}/oidc")
def begin_join(
    request: Request, database: DatabaseDep, secret: Secret
) -> Response:
    """Go to the provider to make the account that one is invited to."""
    digest = compute_digest(secret)
    with database.read() as session:
        if invitations.find_open_invitation(session, digest) is None:
            raise NotFoundError("invitation", "…")
    return _begin(request, {"aim": Aim.invited, "invitation": digest})


@router.get("/oidc/callback")
def finish_flow(
    request: Request,
    database: DatabaseDep,
    visitor: CurrentReviewer,
    answer: Annotated[ProviderAnswer, Query()],
) -> Response:
    """Take the provider's answer: sign in, or ask what is still to say."""
    flow = _read_flow(request)
    try:
        claimed = _check_answer(request, flow, answer)
        response = _take(request, database, visitor, flow or {}, claimed)
    except ForbiddenError as refusal:
        if flow is None or flow["aim"] != Aim.link:
            tell_refused(request, OPENID)
        response = _refuse(request, database, visitor, str(refusal))
    # an answer counts once, whatever became of it
    response.delete_cookie(
        _name_cookie(request),
        httponly=True,
        samesite="lax",
        secure=_is_secure(request),
        path="/",
    )
    return keep_secret(response)


@router.post("/oidc/claim")
def settle_claim(
    request: Request,
    database: DatabaseDep,
    visitor: CurrentReviewer,
    typed: FormDep,
) -> Response:
    """Link the identity, or make the account, that a page asked about."""
    key: bytes = request.app.state.secret_key
    text = typed.get("claim", "")
    claim = read(key, CLAIM, text)
    if claim is None:
        tell_refused(request, OPENID)
        raise ForbiddenError("this took too long; begin again")
    if claim["aim"] == Aim.link:
        return _link(database, visitor, claim)
    form, errors = check_form(ClaimForm, typed)
    if form is not None:
        try:
            with database.write() as session:
                return _make_account(request, session, claim, form.name)
        except ConflictError as error:
            errors = {"name": str(error)}
    return _ask(
        request, database, visitor, text, typed.get("name", ""), errors
    )


def get_provider(request: Request) -> Provider:
    """Return the provider that is set, or refuse if there is none."""
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        raise NotFoundError("sign-in provider", "…")
    return provider


def _check_answer(
    request: Request, flow: Mapping[str, Any] | None, answer: ProviderAnswer
) -> Claimed:
    provider = get_provider(request)
    if flow is None or not is_same(answer.state, flow["state"]):
        raise ForbiddenError(
            "this sign-in did not begin in this browser, or took too long"
        )
    if answer.error or not answer.code:
        raise ForbiddenError("the provider signed nobody in")
    if answer.iss and answer.iss != provider.registration.issuer:
        raise ForbiddenError("another provider answered")
    return provider.finish(
        answer.code,
        _get_redirect_uri(request),
        nonce=flow["nonce"],
        verifier=flow["verifier"],
    )


def _begin(request: Request, aim: Mapping[str, Any]) -> Response:
    flow = get_provider(request).begin(_get_redirect_uri(request))
    kept = {
        **aim,
        "state": flow.state,
        "nonce": flow.nonce,
        "verifier": flow.verifier,
    }
    key: bytes = request.app.state.secret_key
    response = RedirectResponse(flow.url, status_code=HTTPStatus.SEE_OTHER)
    response.set_cookie(
        _name_cookie(request),
        sign(key, FLOW, kept, seconds=FLOW_SECONDS),
        max_age=FLOW_SECONDS,
        httponly=True,
        samesite="lax",  # the answer comes from the provider's site
        secure=_is_secure(request),
        path="/",
    )
    return keep_secret(response)


def _read_flow(request: Request) -> dict[str, Any] | None:
    kept = request.cookies.get(_name_cookie(request))
    key: bytes = request.app.state.secret_key
    return read(key, FLOW, kept) if kept else None


def _name_cookie(request: Request) -> str:
    return f"__Host-{FLOW_COOKIE}" if _is_secure(request) else FLOW_COOKIE


def _is_secure(request: Request) -> bool:
    settings: Settings = request.app.state.settings
    return settings.secure_cookies


def _get_redirect_uri(request: Request) -> str:
    settings: Settings = request.app.state.settings
    base = settings.base_url or str(request.base_url)
    return f"{base.rstrip('/')}{request.app.url_path_for('finish_flow')}"


def _take(
    request: Request,
    database: Database,
    visitor: Visitor | None,
    flow: Mapping[str, Any],
    claimed: Claimed,
) -> Response:
    """Sign in whom the identity belongs to, else ask what is to be made."""
    settings: Settings = request.app.state.settings
    if flow["aim"] != Aim.link:
        with database.read() as session:
            holder = identities.find_holder(
                session, claimed.issuer, claimed.subject
            )
        if holder is not None:
            if holder.is_disabled:
                raise ForbiddenError("this account is disabled")
            with database.write() as session:
                place = str(flow.get("next", "/"))
                return open_session(request, session, holder.id, OPENID, place)
        if flow["aim"] == Aim.sign_in and not settings.oidc_role:
            raise ForbiddenError(
                "no account is linked to this identity; sign in otherwise and "
                "link it on your account's page, or ask for an invitation"
            )
    key: bytes = request.app.state.secret_key
    claim = {
        "aim": flow["aim"],
        "reviewer": flow.get("reviewer"),
        "invitation": flow.get("invitation"),
        "issuer": claimed.issuer,
        "subject": claimed.subject,
    }
    text = sign(key, CLAIM, claim, seconds=FLOW_SECONDS)
    return _ask(request, database, visitor, text, claimed.name, {})


def _ask(  # noqa: PLR0913, PLR0917 - what the page is built from
    request: Request,
    database: Database,
    visitor: Visitor | None,
    text: str,
    name: str,
    errors: Mapping[str, str],
) -> Response:
    key: bytes = request.app.state.secret_key
    claim = read(key, CLAIM, text) or {}
    is_link = claim.get("aim") == Aim.link
    page = ClaimPage(
        title="Link this identity?" if is_link else "Name your account",
        provider=get_provider_label(request),
        claim=text,
        subject=str(claim.get("subject", "")),
        is_link=is_link,
        name=name,
        errors=errors,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    with database.read() as session:
        shell = get_shell(session, visitor)
    return keep_secret(render(request, shell, page, status=status))


def _link(
    database: Database, visitor: Visitor | None, claim: Mapping[str, Any]
) -> Response:
    if visitor is None or visitor.id != claim["reviewer"]:
        raise ForbiddenError("another account began this; sign in with it")
    with database.write() as session:
        identities.link_identity(
            session, visitor, claim["issuer"], claim["subject"]
        )
    return RedirectResponse(
        "/account/#identities-head", status_code=HTTPStatus.SEE_OTHER
    )


def _make_account(
    request: Request, session: Session, claim: Mapping[str, Any], name: str
) -> Response:
    settings: Settings = request.app.state.settings
    if claim["aim"] == Aim.invited:
        reviewer = invitations.use_invitation(
            session, claim["invitation"], name
        )
    elif settings.oidc_role:
        reviewer = reviewers.add_reviewer(
            session, name, Role(settings.oidc_role), actor=f"reviewer:{name}"
        )
    else:
        raise ForbiddenError("nobody joins uninvited")
    made = Visitor(
        get_id(reviewer), reviewer.name, reviewer.display_name, reviewer.role
    )
    identities.link_identity(session, made, claim["issuer"], claim["subject"])
    return open_session(request, session, made.id, OPENID, "/")


def _refuse(
    request: Request,
    database: Database,
    visitor: Visitor | None,
    reason: str,
) -> Response:
    page = RefusedPage(provider=get_provider_label(request), reason=reason)
    with database.read() as session:
        shell = get_shell(session, visitor)
    return render(request, shell, page, status=HTTPStatus.FORBIDDEN)
