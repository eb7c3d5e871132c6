"""A small OpenID provider, run by the tests on this machine.

It signs everybody in as `subject` without asking, checks what a client must
send, and can be told to misbehave.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT = "vmi-review"
SECRET = "s3cret-of-the-client"  # noqa: S105 - of a test


@dataclass
class LocalProvider:
    """What the provider knows, and how it is to answer.

    `claims` go over those of the ID token; `algorithm` signs it.
    """

    issuer: str = ""
    subject: str = "subject-1"
    username: str = "Ada L."
    claims: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    kid: str = "one"
    key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(
            2048, {"kid": "one"}, private=True
        )
    )
    published: RSAKey | None = None
    is_down: bool = False
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get_facts(self) -> Mapping[str, Any]:
        """Return the document of the discovery."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256"],
            **self.facts,
        }

    def get_keys(self) -> Mapping[str, Any]:
        """Return the keys that are published."""
        key = self.published or self.key
        return dict(KeySet([key]).as_dict(private=False))

    def authorize(self, query: Mapping[str, str]) -> str:
        """Return where a browser is sent back to."""
        assert query["client_id"] == CLIENT
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return f"{query['redirect_uri']}?{back}"

    def exchange(
        self, typed: Mapping[str, str], authorization: str
    ) -> tuple[int, Mapping[str, Any]]:
        """Answer at the token endpoint; a code is good once."""
        wanted = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {wanted}":
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(typed.get("code", ""), None)
        if query is None or query["redirect_uri"] != typed["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(typed["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "an-access-token",
            "token_type": "Bearer",
            "id_token": self.make_id_token(query["nonce"]),
        }

    def make_id_token(self, nonce: str) -> str:
        """Return who signed in, signed."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "preferred_username": self.username,
            **self.claims,
        }
        key = OctKey.import_key(SECRET)
        return jwt.encode(
            {"alg": self.algorithm, "kid": self.kid},
            claims,
            self.key if self.algorithm == "RS256" else key,
            algorithms=[self.algorithm],
        )


def _make_handler(provider: LocalProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.asked.append(parts.path)
            if provider.is_down:
                self._answer(503, {})
            elif parts.path == "/keys":
                self._answer(200, provider.get_keys())
            else:
                self._answer(200, provider.get_facts())

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            typed = parse_qs(self.rfile.read(length).decode())
            self._answer(
                *provider.exchange(
                    {name: values[0] for name, values in typed.items()},
                    self.headers["Authorization"] or "",
                )
            )

        def _answer(self, status: int, content: Mapping[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler


@contextmanager
def run_provider() -> Iterator[LocalProvider]:
    """Run a provider for a while."""
    provider = LocalProvider()
    with ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(provider)) as it:
        provider.issuer = f"http://127.0.0.1:{it.server_address[1]}"
        thread = threading.Thread(target=it.serve_forever, daemon=True)
        thread.start()
        yield provider
        it.shutdown()
        thread.join()
