"""Every route and everybody who may ask: the exact status, by one table."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRouter
from fastapi.testclient import TestClient

from app.config import Settings
from app.db import Database
from app.identity import SESSION_COOKIE
from app.main import create_app
from app.models import Role, Scope
from app.policies import POLICIES, require_policies
from app.route_map import RouteMap
from app.routes import get_routes
from app.services import accounts, members, sessions, tokens
from tests.conftest import SQLiteCopies
from tests.factories import make_visitor
from tests.policy_table import CONFIGURED, STREAMS, Row, read_table

TABLE = read_table()
ROLES = ("-", *Role)
SCOPES = tuple(Scope)
HIDDEN = "nothing is here for you"
SECRETS = ("VMI", "Kleen", "kleen", "VMware", "Hypervisor", "Log entry")
"""Words of the review that no answer to others may hold."""

OWN_WORDS = re.compile(r"vmi-review|VMI_REVIEW_\w+|/static/\S+")

ALIKE = frozenset({"outsider", "member", "token to annotate", "token to edit"})
"""Who is let in like others where no role is needed."""


def find_leaks(text: str) -> list[str]:
    """Return the words of the review that stand in an answer."""
    told = OWN_WORDS.sub("", text)
    return [word for word in SECRETS if word in told]


def is_hidden(text: str) -> bool:
    """Tell whether an answer says that nothing is there, and no more."""
    return HIDDEN in text.lower()


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: by which header, with which rights, of which standing."""

    header: tuple[str, str] | None
    role: str = "-"
    scope: str = "admin"
    is_member: bool = False
    is_refused: bool = False

    def expect(self, row: Row, *, private: bool) -> Collection[int]:
        """Return the status that the table gives this asker."""
        if self.is_refused:
            return row.granted if row.name == "static" else {401}
        if private and not self.is_member and not row.is_open:
            return {404}
        if self.role == "-":
            return row.granted if row.role == "-" else {401}
        if SCOPES.index(Scope(self.scope)) < SCOPES.index(Scope(row.scope)):
            return {403}
        if ROLES.index(self.role) < ROLES.index(row.role):
            return {403}
        return row.granted


class Site:
    """The application, and accounts of each kind."""

    def __init__(self, client: TestClient, app: FastAPI) -> None:
        self.client = client
        self.database: Database = app.state.database
        self.places = RouteMap(app.routes)
        database = self.database
        self.askers: dict[str, Asker] = {"anonymous": Asker(None)}
        with database.write() as session:
            for role in Role:
                make_visitor(session, role.value, role)
            for name, role in (
                ("outsider", Role.editor),
                ("gone", Role.administrator),
                ("bearer", Role.administrator),
                ("member", Role.reader),
            ):
                make_visitor(session, name, role)
            members.add_member(session, "member")
        for role in Role:
            is_member = role == Role.administrator
            self.add(role.value, role.value, is_member=is_member)
        self.add("member", "reader", is_member=True)
        self.add("outsider", "editor")
        for scope in Scope:
            self.add_token("bearer", f"token to {scope}", scope)
        self.add_token("gone", "token of a disabled", Scope.admin, good=False)
        cookie = self.make_cookie("gone")
        with database.write() as session:
            accounts.disable_account(session, "gone")
        self.askers["disabled"] = Asker(cookie)
        self.askers["unknown token"] = Asker(
            ("Authorization", "Bearer vmir_none"), is_refused=True
        )

    def make_cookie(self, name: str) -> tuple[str, str]:
        """Return the header of a new session."""
        with self.database.write() as session:
            account = accounts.get_account(session, name)
            secret = sessions.sign_in(
                session, account.id, days=1, means="test"
            )
        return ("Cookie", f"{SESSION_COOKIE}={secret}")

    def add(self, name: str, role: str, *, is_member: bool = False) -> None:
        """Add who signed in."""
        self.askers[name] = Asker(
            self.make_cookie(name), role, is_member=is_member
        )

    def add_token(
        self, holder: str, name: str, scope: Scope, *, good: bool = True
    ) -> None:
        """Add who bears a token of an administrator's."""
        with self.database.write() as session:
            made = tokens.create_token(session, holder, scope=scope)
        self.askers[name] = Asker(
            ("Authorization", f"Bearer {made.secret}"),
            "administrator",
            scope.value,
            is_member=True,
            is_refused=not good,
        )

    def ask(
        self, row: Row, asker: Asker, *, private: bool = False
    ) -> tuple[int, str]:
        """Return what a route answers somebody; nothing is changed by it."""
        header = dict([asker.header] if asker.header else [])
        if row.name == "delete_sign_in" and "Cookie" in header:
            header = {"Cookie": f"{SESSION_COOKIE}=ended"}
        answer = self.client.request(
            row.method,
            row.path,
            headers={"Sec-Fetch-Site": "same-origin", **header},
            follow_redirects=False,
        )
        if row.name == "close_proposal":
            with self.database.write() as session:
                members.set_private(session, is_private=private)
        return answer.status_code, answer.text


@pytest.fixture(scope="module")
def site(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Return the application with accounts of each kind."""
    settings = Settings(
        database_url=sqlite_copies.make("full"),
        data_dir=tmp_path_factory.mktemp("policies"),
        base_url="http://testserver",
        limit_reads="",
        limit_writes="",
        limit_sign_ins="",
        limit_imports="",
        limit_runs="",
    )
    app = create_app(settings)
    with TestClient(app) as client:
        yield Site(client, app)
    sqlite_copies.drop(settings.database_url)


@pytest.fixture(scope="module")
def closed(site: Site) -> Iterator[Site]:
    """Return the application with its review closed to others."""
    with site.database.write() as session:
        members.set_private(session, is_private=True)
    yield site
    with site.database.write() as session:
        members.set_private(session, is_private=False)


def test_the_table_has_every_route() -> None:
    names = set(RouteMap(get_routes()).names)
    named = set(TABLE) - {"openapi", "static"}
    assert names - STREAMS - named == set()
    assert named - names == set()


def test_every_policy_is_of_a_route() -> None:
    assert POLICIES.keys() - CONFIGURED - STREAMS == TABLE.keys()


def test_a_route_without_policy_stops_the_program() -> None:
    router = APIRouter()
    router.get("/new")(test_the_table_has_every_route)
    with pytest.raises(RuntimeError, match="test_the_table_has_every_route"):
        require_policies(RouteMap(router.routes).names)


@pytest.mark.parametrize("name", TABLE)
def test_who_is_let_in(site: Site, name: str) -> None:
    row = TABLE[name]
    path = row.path.partition("?")[0]
    assert site.places.find(row.method, path) == name
    askers = set(site.askers) - (ALIKE if row.role == "-" else set())
    told = {who: site.ask(row, site.askers[who])[0] for who in askers}
    wrong = {
        who: (status, *site.askers[who].expect(row, private=False))
        for who, status in told.items()
        if status not in site.askers[who].expect(row, private=False)
    }
    assert wrong == {}


@pytest.mark.parametrize("name", TABLE)
def test_a_private_review_is_not_there_for_others(
    closed: Site, name: str
) -> None:
    row = TABLE[name]
    # who was disabled is nobody, and a member asks as if all were open
    askers = ["anonymous", "outsider"]
    askers += ["member"] * (row.role == "-") + ["disabled"] * row.is_open
    for who in askers:
        asker = closed.askers[who]
        status, text = closed.ask(row, asker, private=True)
        assert status in asker.expect(row, private=True), who
        if who != "member":
            assert not find_leaks(text.replace(row.path, "")), who
            if not row.is_open:
                assert is_hidden(text), who
