"""What the Hypothesis client needs to run on our pages, if it is installed.

`static/hypothesis.js` asks for the configuration, starts the client, and
that opens the sidebar's page in a frame. The client's own files are served
under `/h/client/build/` from the folder that the setting names.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.dependencies import DatabaseDep
from app.errors import NotFoundError, SignInError
from app.forms import FormDep
from app.identity import get_access, get_cookie
from app.models import Role
from app.pages import get_environment
from app.routes.hypothesis_forms import SiteDep
from app.services import hypothesis_tokens
from app.services.hypothesis import Site

router = APIRouter(include_in_schema=False)

GRANT_TYPES = {
    "urn:ietf:params:oauth:grant-type:jwt-bearer": (
        "assertion",
        hypothesis_tokens.GRANT,
    ),
    "refresh_token": ("refresh_token", hypothesis_tokens.RENEWAL),
}
# The sidebar is another's program, so its page may do less than ours where
# it can: it loads scripts, styles and fonts of this site, talks to this site,
# and stands in a frame of this site only. Two things more than ours: formulas
# of KaTeX bear style attributes (no style element is allowed for that), and
# the picture of the group is a data address.
SIDEBAR_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
NEVER_KEPT = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidebar:
    """The page in the sidebar's frame; it has no shell of ours."""

    template: ClassVar[str] = "hypothesis/app.html"
    boot: str
    settings: dict[str, Any]


@router.get("/h/config")
def show_h_config(request: Request, site: SiteDep) -> Response:
    """Answer with how to start the client, and who it speaks for.

    Only the browser's own session is asked; a token that is sent makes no
    grant.
    """
    _require_client(request)
    found = get_access(request)
    visitor, secret = found.visitor, get_cookie(request)
    grant = None
    if (
        found.session_id is not None
        and secret is not None
        and visitor is not None
        and visitor.may(Role.reviewer)
    ):
        key: bytes = request.app.state.secret_key
        grant = hypothesis_tokens.make_grant(key, secret)
    path = request.app.url_path_for
    service = {
        "apiUrl": f"{site.base}/h/api/",
        "authority": site.authority,
        "grantToken": grant,
        "allowFlagging": False,
        "enableShareLinks": False,
    }
    return JSONResponse(
        {
            "assetRoot": _get_assets(site),
            "sidebarAppUrl": f"{site.base}{path('show_h_app')}",
            "openSidebar": False,
            "services": [service],
        },
        headers=NEVER_KEPT,
    )


@router.get("/h/app.html")
def show_h_app(request: Request, site: SiteDep) -> Response:
    """Show the sidebar's page."""
    _require_client(request)
    assets = _get_assets(site)
    page = Sidebar(
        boot=f"{assets}build/boot.js",
        settings={
            "apiUrl": f"{site.base}/h/api/",
            "assetRoot": assets,
            # none of the client's makers: their pages are not linked then
            "authDomain": "",
            "oauthClientId": "",
        },
    )
    html = get_environment().get_template(page.template).render(page=page)
    return Response(
        html,
        media_type="text/html",
        headers={
            "Content-Security-Policy": SIDEBAR_POLICY,
            "X-Frame-Options": "SAMEORIGIN",
        },
    )


@router.post("/h/api/token")
def create_h_token(
    request: Request, database: DatabaseDep, sent: FormDep
) -> Response:
    """Exchange a grant, or what renews it, for a token (RFC 6749, 7523)."""
    name, purpose = GRANT_TYPES.get(sent.get("grant_type", ""), ("", ""))
    if not name:
        return _refuse(
            "unsupported_grant_type",
            f"expected one of {', '.join(GRANT_TYPES)}",
        )
    try:
        with database.read() as session:
            tokens = hypothesis_tokens.exchange(
                session,
                request.app.state.secret_key,
                purpose,
                sent.get(name, ""),
            )
    except SignInError as error:
        return _refuse("invalid_grant", str(error))
    return JSONResponse(
        {
            "access_token": tokens.access,
            "token_type": "Bearer",
            "expires_in": tokens.seconds,
            "refresh_token": tokens.renewal,
            "scope": tokens.scope.value,
        },
        headers=NEVER_KEPT,
    )


def _refuse(kind: str, reason: str) -> Response:
    # the two forms at once: that of RFC 6749, 5.2, and that of this API
    return JSONResponse(
        {
            "error": kind,
            "error_description": reason,
            "status": "failure",
            "reason": reason,
        },
        status_code=400,
        headers=NEVER_KEPT,
    )


def _require_client(request: Request) -> None:
    if request.app.state.settings.hypothesis_client is None:
        raise NotFoundError("page", request.url.path)


def _get_assets(site: Site) -> str:
    return f"{site.base}/h/client/"
