"""Signing in by an OpenID provider: what is asked of it, what it proves.

The authorization code flow with state, nonce and PKCE (OpenID Connect Core
1.0, RFC 7636, RFC 9207). Whose account an identity is stands in
`app.services.identities`. The provider is the only site that the program
ever asks something of, and only where one is set; what it answers is bounded
in size and time.
"""

import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener
from urllib.request import Request as UrlRequest

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import (
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.errors import BusyError, ForbiddenError

SCOPE = "openid profile"
WORD_BYTES = 32
TIMEOUT_SECONDS = 5.0
WHOLE_SECONDS = 15.0
ANSWER_MOST = 256 * 1024
PART_BYTES = 16 * 1024
REFUSING = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED})
KNOWN_SECONDS = 3600.0
KEYS_SECONDS = 60.0
"""How often keys are fetched again for one that is unknown, at most."""

LEEWAY_SECONDS = 60
RETRY_SECONDS = 30
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SUBJECT_LENGTH = 255
NAME_LENGTH = 60
# no symmetric one: whoever has our secret could sign as the provider
ALGORITHMS = frozenset(
    f"{family}{bits}"
    for family in ("RS", "PS", "ES")
    for bits in ("256", "384", "512")
)
logger = structlog.get_logger()

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """As what this site is known to the provider."""

    issuer: str
    client_id: str
    client_secret: str


class Flow(NamedTuple):
    """A sign-in under way: where it goes, and what must come back."""

    url: str
    state: str
    nonce: str
    verifier: str


class Claimed(NamedTuple):
    """Who the provider says this is; `name` is a proposal, no proof."""

    issuer: str
    subject: str
    name: str


class Provider:
    """The provider that is set; what it publishes is kept for an hour.

    Parameters
    ----------
    clock
        Seconds that only go forward.
    """

    def __init__(
        self,
        registration: Registration,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registration = registration
        self._clock = clock
        self._lock = threading.Lock()
        self._facts: Json | None = None
        self._facts_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    def begin(self, redirect_uri: str) -> Flow:
        """Return where to send somebody, and what to keep until they come.

        Raises
        ------
        BusyError
            When the provider does not answer, or not as one.
        """
        state, nonce, verifier = (
            secrets.token_urlsafe(WORD_BYTES) for _ in range(3)
        )
        url = prepare_grant_uri(
            self._get_fact("authorization_endpoint"),
            client_id=self.registration.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Flow(url, state, nonce, verifier)

    def finish(
        self, code: str, redirect_uri: str, *, nonce: str, verifier: str
    ) -> Claimed:
        """Exchange a code for who somebody is.

        Raises
        ------
        ForbiddenError
            When the provider refuses, or what it says does not hold.
        BusyError
            When the provider does not answer, or not as one.
        """
        answer = self._exchange(code, redirect_uri, verifier)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise _refuse("no ID token was sent")
        claims = self._read_id_token(id_token, nonce, answer)
        subject = claims["sub"]
        if not isinstance(subject, str) or not (
            0 < len(subject) <= SUBJECT_LENGTH
        ):
            raise _refuse("the subject is no name")
        return Claimed(self.registration.issuer, subject, propose_name(claims))

    def _exchange(self, code: str, redirect_uri: str, verifier: str) -> Json:
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=redirect_uri,
            code=code,
            code_verifier=verifier,
        )
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        endpoint, headers, body = ClientAuth(
            self.registration.client_id,
            self.registration.client_secret,
            self._get_method(),
        ).prepare("POST", self._get_fact("token_endpoint"), headers, body)
        return _ask("POST", endpoint, headers=headers, content=body)

    def _get_method(self) -> str:
        if not self.registration.client_secret:
            return "none"
        offered = self._get_facts().get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )
        if "client_secret_basic" in offered:
            return "client_secret_basic"
        return "client_secret_post"

    def _read_id_token(self, id_token: str, nonce: str, answer: Json) -> Json:
        offered = self._get_facts().get(
            "id_token_signing_alg_values_supported", ["RS256"]
        )
        registry = JWSRegistry(
            algorithms=sorted(ALGORITHMS.intersection(offered)),
            strict_check_header=False,
        )
        try:
            try:
                token = jwt.decode(id_token, self._get_keys(), None, registry)
            except InvalidKeyIdError:
                keys = self._get_keys(KEYS_SECONDS)
                token = jwt.decode(id_token, keys, None, registry)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"value": self.registration.issuer},
                    "aud": {"value": self.registration.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self.registration.client_id,
                    "access_token": answer.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError) as error:
            raise _refuse(type(error).__name__) from None
        return dict(claims)

    def _get_keys(self, good_for: float = KNOWN_SECONDS) -> KeySet:
        """Return the provider's keys, fetched again if they are older."""
        with self._lock:
            age = self._clock() - self._keys_at
            if self._keys is None or age > good_for:
                published: Any = _ask("GET", self._get_fact("jwks_uri"))
                self._keys = KeySet.import_key_set(published)
                self._keys_at = self._clock()
            return self._keys

    def _get_fact(self, name: str) -> str:
        fact = self._get_facts().get(name)
        if not isinstance(fact, str) or not is_safe(fact):
            logger.warning("oidc_provider_unfit", lacks=name)
            raise _wait()
        return fact

    def _get_facts(self) -> Json:
        facts, age = self._facts, self._clock() - self._facts_at
        if facts is None or age > KNOWN_SECONDS:
            issuer = self.registration.issuer
            facts = _ask(
                "GET",
                f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            )
            if facts.get("issuer") != issuer:
                logger.warning("oidc_provider_unfit", lacks="issuer")
                raise _wait()
            self._facts, self._facts_at = facts, self._clock()
        return facts


def is_same(sent: str, kept: str) -> bool:
    """Compare two words in a time that tells nothing of them."""
    return hmac.compare_digest(sent.encode(), kept.encode())


def propose_name(claims: Json) -> str:
    """Return a name for an account, made of what the provider tells."""
    for claim in ("preferred_username", "nickname", "name"):
        told = claims.get(claim)
        if isinstance(told, str):
            name = "".join(
                c if c.isascii() and (c.isalnum() or c in "-_.") else "-"
                for c in told.partition("@")[0].strip()
            ).strip("-.")
            if name:
                return name[:NAME_LENGTH]
    return ""


class _NoRedirect(HTTPRedirectHandler):
    """Follows nothing: what is set, and what it names, is what is asked."""

    def redirect_request(self, *_given: object) -> None:
        """Take a redirection for an error."""


def _ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: str | None = None,
) -> Json:
    """Return the JSON that the provider answers with."""
    request = UrlRequest(  # noqa: S310 - https, or this machine: `is_safe`
        url,
        data=content.encode() if content is not None else None,
        headers=dict(headers or {}),
        method=method,
    )
    try:
        with _open(request) as response:
            status, body = response.status, _read(response)
        answer = json.loads(body)
    except (OSError, HTTPException, ValueError) as error:
        logger.warning("oidc_provider_failed", reason=type(error).__name__)
        raise _wait() from None
    if method == "POST" and status in REFUSING:
        told = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        raise _refuse(told[:40])
    if status != HTTPStatus.OK or not isinstance(answer, dict):
        logger.warning("oidc_provider_failed", status=status)
        raise _wait()
    return answer


def _open(request: UrlRequest) -> Any:  # noqa: ANN401 - an answer or an error
    try:
        return build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        return error  # an answer too, with another status


def _read(response: Any) -> bytes:  # noqa: ANN401 - an answer or an error
    body, end = b"", time.monotonic() + WHOLE_SECONDS
    # as it comes, or one who drips would hold us for as long as he likes
    while part := response.read1(PART_BYTES):
        body += part
        if len(body) > ANSWER_MOST or time.monotonic() > end:
            raise ValueError("more than a provider has to say")
    return body


def is_safe(url: str) -> bool:
    """Tell whether nobody on the way can read what is sent there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in LOOPBACK
    )


def _refuse(reason: str) -> ForbiddenError:
    logger.warning("oidc_sign_in_refused", reason=reason)
    return ForbiddenError("the provider did not say who this is; try again")


def _wait() -> BusyError:
    return BusyError(
        "the sign-in provider does not answer", retry_after=RETRY_SECONDS
    )
