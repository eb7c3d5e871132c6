"""Where requests come from, and how many: proxies and limits by address.

The limits of accounts are counted by the gate, which knows who asks. Static
files and the health check count for nothing.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings, split
from app.identity import ACCESS, UNSEEN
from app.policies import POLICIES, UNKNOWN, Budget
from app.route_map import RouteMap
from app.routes.errors import Problem, answer
from app.services.rate_limits import (
    RateLimits,
    Standing,
    get_origin,
    multiply,
)

ADDRESS_FACTOR = 5
"""How much more an address may than an account; people share addresses."""

OF_ADDRESS = "-of-address"
LONGEST_CHAIN = 20
SCHEMES = frozenset({"http", "https"})


def make_limits(settings: Settings) -> RateLimits:
    """Return the limits that are set, of accounts and of addresses."""
    of_account = {
        Budget.writes: settings.limit_writes,
        Budget.imports: settings.limit_imports,
        Budget.runs: settings.limit_runs,
    }
    return RateLimits(
        {
            **{str(name): quota for name, quota in of_account.items()},
            **{
                f"{name}{OF_ADDRESS}": multiply(quota, ADDRESS_FACTOR)
                for name, quota in of_account.items()
            },
            f"{Budget.reads}{OF_ADDRESS}": settings.limit_reads,
            f"{Budget.sign_ins}{OF_ADDRESS}": settings.limit_sign_ins,
        }
    )


class ProxyMiddleware:
    """Takes the client's address and scheme from proxies that are trusted.

    Of `X-Forwarded-For` the last address counts that is no trusted proxy's:
    what stands before it could have been written by anybody.
    """

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        self.app = app
        self.networks = [
            ipaddress.ip_network(part, strict=False) for part in split(trusted)
        ]

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        client = scope.get("client")
        if self.networks and client and self.is_trusted(client[0]):
            scope = {**scope, **self.read_forwarded(scope, client[0])}
        await self.app(scope, receive, send)

    def is_trusted(self, address: str) -> bool:
        """Tell whether this is a proxy of ours."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        # as IPv4 is told of on a socket of both
        known = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(known in network for network in self.networks)

    def read_forwarded(self, scope: Scope, peer: str) -> Mapping[str, object]:
        """Return what of the request the proxy tells."""
        chain: list[str] = []
        told: dict[str, object] = {}
        for name, value in scope["headers"]:
            text = value.decode("latin-1")
            if name == b"x-forwarded-for":
                chain += split(text)
            if name == b"x-forwarded-proto" and text.strip() in SCHEMES:
                told["scheme"] = text.strip()
        return {**told, "client": (self.find_client(chain, peer), 0)}

    def find_client(self, chain: Sequence[str], peer: str) -> str:
        """Return the last address that is not a proxy's of ours."""
        for address in reversed(chain[-LONGEST_CHAIN:]):
            if not is_address(address):
                return peer
            peer = address
            if not self.is_trusted(address):
                break
        return peer


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class RateMiddleware:
    """Lets an address ask so often, and tells it how often that is."""

    def __init__(
        self, app: ASGIApp, *, limits: RateLimits, places: RouteMap
    ) -> None:
        self.app = app
        self.limits = limits
        self.places = places

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the request through, or say when to come back."""
        standing = self.count(scope) if scope["type"] == "http" else None
        if standing is None:
            await self.app(scope, receive, send)
            return
        tell = add_fields(send, standing)
        if not standing.is_over:
            await self.app(scope, receive, tell)
            return
        # no look-up for who asks too often
        state = {**scope.get("state", {}), ACCESS: UNSEEN}
        request = Request({**scope, "state": state})
        response = await run_in_threadpool(
            answer, request, refuse_more(standing)
        )
        await response(scope, receive, tell)

    def count(self, scope: Scope) -> Standing | None:
        """Count a request of its address."""
        name = self.places.find(scope["method"], scope["path"])
        policy = POLICIES[name] if name else UNKNOWN
        client = scope.get("client")
        origin = get_origin(client[0]) if client else ""
        return self.limits.count(f"{policy.budget}{OF_ADDRESS}", origin)


def add_fields(send: Send, standing: Standing) -> Send:
    """Return `send` that tells of a limit, too."""
    fields = [
        (b"ratelimit-policy", standing.policy_field.encode()),
        (b"ratelimit", standing.field.encode()),
    ]

    async def send_told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *fields]}
        await send(message)

    return send_told


def refuse_more(standing: Standing) -> Problem:
    """Return the refusal of one request too many."""
    return Problem(
        status=HTTPStatus.TOO_MANY_REQUESTS,
        detail=f"{standing.quota} requests in {standing.window} seconds are "
        f"the most; try again in {standing.reset} seconds",
        headers={"Retry-After": str(standing.reset)},
    )
