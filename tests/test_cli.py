"""The commands: what they print, and how they end."""

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from app import cli, cli_accounts
from app.config import ROOT, Settings
from app.db import Database
from app.models import Role, Scope, SearchKind
from app.routes.decisions import DecisionForm
from app.services import (
    access,
    decisions,
    exports,
    invitations,
    reviewers,
    search_store,
)
from app.services.search import Order
from tests import factories
from tests.conftest import SQLiteCopies

MAIN = [sys.executable, "-c", "from app.cli import main; main()"]
SLUG = "kleen-sti-shadow"
THREAD = "kleen-sti-pairs-belong-in-spec"
SECRET = re.compile(r"/sign-in/([\w-]{20,})$", re.MULTILINE)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def url(sqlite_copies: SQLiteCopies, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a full database, that the settings name."""
    url = sqlite_copies.make("full")
    monkeypatch.setenv("VMI_REVIEW_DATABASE_URL", url)
    return url


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Return what runs a command: status, output, errors."""

    def run_command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vmi-review", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    yield run_command
    # it logs to this test's standard error, which is gone after it
    structlog.reset_defaults()


def test_the_help_names_each_command(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for name in ("serve", "load", "verify", "explore", "export", "import"):
        assert f"\n  {name} " in out
    assert run("explore", "--help")[0] == 0


def test_the_help_loads_neither_simulator_nor_server() -> None:
    probe = (
        "import sys, app.cli; "
        "sys.exit(bool({'sqlalchemy', 'uvicorn', 'fastapi', 'app.sim'} "
        "& set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True)


def test_no_command_but_serve_loads_the_web_server() -> None:
    """And an import does not load what finds quotes before its turn."""
    probe = (
        "import importlib, pkgutil, sys, app.commands as all\n"
        "import app.commands.mail\n"
        "assert 'app.services.aligning' not in sys.modules\n"
        "for found in pkgutil.iter_modules(all.__path__, 'app.commands.'):\n"
        "    if not found.name.endswith(('.server', '.connections')):\n"
        "        importlib.import_module(found.name)\n"
        "assert 'app.services.aligning' in sys.modules\n"
        "loaded = {'fastapi', 'starlette', 'uvicorn'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True)


def test_every_setting_is_an_option_of_serve(run: Run) -> None:
    out = run("serve", "--help")[1]
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')} " in out


def test_roles_and_formats_are_those_there_are() -> None:
    assert [r.value for r in cli_accounts.RoleName] == [r.value for r in Role]
    assert [s.value for s in cli_accounts.ScopeName] == [
        s.value for s in Scope
    ]
    assert [f.value for f in cli.Format] == list(exports.FORMATS)
    assert [k.value for k in cli.KindName] == [k.value for k in SearchKind]
    assert [o.value for o in cli.OrderName] == [o.value for o in Order]


def test_every_command_has_its_module() -> None:
    for noun in ("server", "corpus", "log", "question", "accounts", "mail"):
        assert importlib.import_module(f"app.commands.{noun}").__doc__


@pytest.mark.usefixtures("url")
def test_a_log_that_holds_is_verified(run: Run) -> None:
    status, out, _ = run("verify")
    assert (status, "entries hold" in out) == (0, True)
    head = out.split()[-1]
    assert run("verify", "--head", head)[0] == 0
    status, _, err = run("verify", "--head", "0" * 64)
    assert (status, "no entry has the hash" in err) == (1, True)


def test_a_broken_log_names_its_first_broken_entry(url: str, run: Run) -> None:
    database = Database(url)
    with database.write() as session:
        factories.make_visitor(session)
        session.execute(text("UPDATE entry SET actor = 'eve' WHERE seq = 1"))
    database.close()
    status, out, err = run("verify")
    assert (status, out) == (1, "")
    assert err.startswith("vmi-review: the log does not hold: entry 1 (")


@pytest.mark.usefixtures("url")
def test_loading_twice_changes_nothing(run: Run) -> None:
    before = run("verify")[1]
    status, out, _ = run("load")
    assert status == 0
    assert "is loaded already" in out
    assert run("verify")[1] == before


@pytest.mark.parametrize("command", [("verify",), ("export", "decisions")])
def test_without_a_database_it_says_how_to_make_one(
    run: Run,
    command: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VMI_REVIEW_DATA_DIR", str(tmp_path / "none"))
    status, _, err = run(*command)
    assert status == 1
    assert "`vmi-review load` makes one" in err
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_no_database_is_a_line_and_no_trace(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "review.db").write_text("not a database, but a text " * 50)
    monkeypatch.setenv("VMI_REVIEW_DATA_DIR", str(tmp_path))
    for command in ("verify", "load"):
        status, _, err = run(command)
        assert status == 1
        assert "refuses: file is not a database" in err
        assert "Traceback" not in err


def test_a_bad_setting_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMI_REVIEW_DATABASE_URL", "mysql://x")
    status, _, err = run("verify")
    assert status == 2
    assert "database_url: expected sqlite:///PATH" in err
    assert run("serve", "--port", "many")[0] == 2


@pytest.mark.parametrize("name", list(exports.FORMATS))
def test_an_export_has_the_bytes_of_the_page(
    url: str, run: Run, name: str
) -> None:
    database = Database(url)
    with database.write() as session:
        ada = factories.make_visitor(session)
        form = DecisionForm.model_validate(
            {"disposition": "rejected", "reason": "Größe ● no."}
        )
        decisions.record_decision(session, ada, THREAD, form.make())
        expected = exports.export_decisions(session, name)
    database.close()
    status, out, _ = run("export", "decisions", "--format", name)
    assert status == 0
    assert out.encode() == expected


def test_a_question_is_answered_in_words(run: Run) -> None:
    status, out, _ = run("explore", SLUG)
    assert status == 0
    assert re.search(r"^ +native +software +hardware$", out, re.MULTILINE)
    assert "○ never" in out
    assert "Shortest witness: " in out
    assert all(len(line) <= 90 for line in out.split("\n"))


def test_a_question_is_answered_in_json(run: Run) -> None:
    status, out, _ = run("explore", SLUG, "--json", "--platform", "software")
    assert status == 0
    report = json.loads(out)
    assert {p["platform"] for p in report["platforms"]} == {"software"}


def test_a_search_goes_as_far_as_it_is_told(run: Run) -> None:
    """The limits stand in the report, and one that was met is told."""
    limits = ("--states", "3", "--seconds", "2.5")
    status, out, _ = run("explore", SLUG, "--json", *limits)
    assert status == 0
    report = json.loads(out)
    assert report["limits"]["states"] == 3
    assert report["limits"]["seconds"] == 2.5
    assert {each["limit"] for each in report["platforms"]} == {"states"}
    assert "… states limit" in run("explore", SLUG, *limits)[1]


def test_a_file_is_a_question_too(run: Run, tmp_path: Path) -> None:
    bundled = ROOT / "app/corpus/vmi/scenarios" / f"{SLUG}.toml"
    file = tmp_path / "mine.toml"
    file.write_bytes(bundled.read_bytes())
    assert run("explore", str(file))[0] == 0


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"question = 1 2", ":1:"),
        (b'question = "x"\nother = 1\n', ":"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"#" * 300_000, "longer than"),
    ],
)
def test_a_refused_file_ends_with_2_and_its_place(
    run: Run, tmp_path: Path, content: bytes, place: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    status, out, err = run("explore", str(file))
    assert (status, out) == (2, "")
    assert err.startswith(f"vmi-review: {file}")
    assert place in err
    lines = err.splitlines()
    assert all(line.startswith("vmi-review: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing-like-it",), "no question is called 'nothing-like-it'"),
        ((SLUG, "--platform", "vax"), "there are native"),
        ((SLUG, "--policy", "nmi"), "write NAME=VALUE"),
        ((SLUG, "--policy", "moon=full"), "'moon=full' is no policy"),
        ((SLUG, "--policy", "nmi=full"), "not 'full'"),
        ((SLUG, "--states", "0"), "--states must be from 1 to"),
        ((SLUG, "--seconds", "nan"), "--seconds must be more than 0, up to"),
        ((SLUG, "--seconds", "0"), "--seconds must be more than 0, up to"),
        ((".",), "Is a directory"),
    ],
)
def test_what_there_is_not_is_refused_by_name(
    run: Run, arguments: tuple[str, ...], told: str
) -> None:
    status, _, err = run("explore", *arguments)
    assert status == 2
    assert told in err


def test_a_reviewer_by_link_and_their_token(url: str, run: Run) -> None:
    status, out, err = run("reviewer", "add", "bob", "--link")
    assert (status, "signs bob in once" in err) == (0, True)
    link = SECRET.search(out)
    assert link is not None
    status, key, _ = run("token", "create", "bob")
    assert status == 0
    database = Database(url)
    with database.read() as session:
        by_link = reviewers.find_link_holder(session, link[1])
        by_key = access.find_access(session, token=key.strip()).visitor
    database.close()
    assert by_link is not None
    assert by_key is not None
    assert by_link.name == by_key.name == "bob"
    assert by_link.role == Role.reviewer


@pytest.mark.usefixtures("url")
def test_a_reviewer_by_password_from_standard_input() -> None:
    def add(name: str, password: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MAIN, "reviewer", "add", name, "--role", "editor"],
            cwd=ROOT,
            input=password,
            capture_output=True,
            text=True,
            check=False,
        )

    assert add("carl", "long enough a word\n").returncode == 0
    again = add("carl", "long enough a word\n")
    assert again.returncode == 1
    assert "already called 'carl'" in again.stderr
    short = add("dora", "short\n")
    assert "a password has 10 to" in short.stderr
    assert "the password is empty" in add("dora", "").stderr


def test_a_password_is_changed_from_standard_input(url: str, run: Run) -> None:
    run("reviewer", "add", "erin", "--link")
    done = subprocess.run(
        [*MAIN, "reviewer", "password", "erin"],
        cwd=ROOT,
        input="long enough a word\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "erin has a new password\n")
    database = Database(url)
    with database.read() as session:
        account = reviewers.find_account(session, "erin")
    database.close()
    assert account is not None
    assert account.password_hash is not None
    assert "long enough" not in account.password_hash


def test_accounts_are_managed_in_the_terminal(url: str, run: Run) -> None:
    """Invite, change a role, disable, list; each refusal is a line."""
    status, out, err = run(
        "reviewer", "invite", "--role", "editor", "--days", "2"
    )
    assert (status, "within 2 days" in err) == (0, True)
    secret = out.strip().rpartition("/")[2]
    run("reviewer", "add", "fred", "--link")
    assert run("reviewer", "role", "fred", "administrator")[0] == 0
    status, _, err = run("reviewer", "disable", "fred")
    assert (status, "only administrator" in err) == (1, True)
    run("reviewer", "add", "rosa", "--role", "administrator", "--link")
    assert run("reviewer", "role", "fred", "reader")[0] == 0
    status, _, err = run("reviewer", "role", "fred", "root")
    assert status == 2
    assert run("reviewer", "disable", "fred")[0] == 0
    assert "fred\treader\tdisabled\tnever" in run("reviewer", "list")[1]
    status, _, err = run("reviewer", "add", "fred", "--link")
    assert (status, "fred is disabled" in err) == (1, True)
    assert run("reviewer", "enable", "fred")[0] == 0
    database = Database(url)
    with database.read() as session:
        row = invitations.find_open_invitation(
            session, reviewers.compute_digest(secret)
        )
    database.close()
    assert row is not None
    assert (row.role, row.inviter) == (Role.editor, None)


@pytest.mark.usefixtures("url")
def test_tokens_are_made_listed_and_revoked_in_the_terminal(run: Run) -> None:
    """What is listed does not tell the secret."""
    run("reviewer", "add", "gwen", "--link")
    made = ("token", "create", "gwen", "--scope", "read", "--days", "0")
    secret = run(*made)[1].strip()
    listed = run("token", "list", "gwen")[1]
    assert secret not in listed
    assert secret[:8] in listed
    assert "read\tends never\tused never" in listed
    number = listed.split("\t")[0]
    assert run("token", "revoke", number)[0] == 0
    assert run("token", "list", "gwen")[1] == ""
    assert run("token", "revoke", number)[0] == 1


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    "typed",
    [
        ("token", "create", "gwen", "--label", "a\x1b[2J"),
        ("reviewer", "invite", "--note", "a\x1b[2J"),
    ],
)
def test_what_is_no_line_is_refused_by_its_option(
    run: Run, typed: tuple[str, ...]
) -> None:
    run("reviewer", "add", "gwen", "--link")
    status, out, err = run(*typed)
    assert (status, out) == (2, "")
    refused = "the control character U+001B is not text"
    assert err == f"vmi-review: {typed[-2]}: {refused}\n"


@pytest.mark.usefixtures("url")
def test_members_are_chosen_in_the_terminal(run: Run) -> None:
    """And the review is closed to others, and opened."""
    run("load")
    run("reviewer", "add", "hans", "--link")
    assert run("member", "add", "hans")[0] == 0
    assert run("member", "close")[0] == 0
    status, out, err = run("member", "list")
    assert (status, "private" in err) == (0, True)
    assert out.startswith("hans\treviewer\t")
    assert run("member", "remove", "hans")[0] == 0
    assert run("member", "remove", "hans")[0] == 1
    assert "open now" in run("member", "open")[1]


@pytest.mark.usefixtures("url")
def test_a_token_is_made_only_for_who_there_is(run: Run) -> None:
    status, out, err = run("token", "create", "nobody")
    assert (status, out) == (1, "")
    assert "no reviewer is called 'nobody'" in err


@pytest.mark.usefixtures("url")
def test_a_mail_is_imported_once(run: Run, shared: Path) -> None:
    file = str(shared / "mail" / "kleen-review.archived.txt")
    status, out, _ = run("import", file)
    assert status == 0
    assert "/m/" in out
    before = run("verify")[1]
    # what it quotes was found the first time
    assert run("import", file)[1] == out.splitlines(keepends=True)[0]
    assert run("verify")[1] == before


@pytest.mark.usefixtures("url")
def test_a_mail_that_is_not_there_is_a_line(run: Run) -> None:
    status, _, err = run("import", "no-such.eml")
    assert (status, err) == (
        2,
        "vmi-review: no-such.eml: No such file or directory\n",
    )


@contextmanager
def serve(folder: Path, *options: str) -> Iterator[tuple[int, str]]:
    """Serve; give the process's number and what it printed."""
    process = subprocess.Popen(
        [*MAIN, "serve", "--port", "0", "--data-dir", str(folder), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if "VMI" not in k},
    )
    printed = ""
    try:
        while process.stdout and "Sign in as" not in printed:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            printed += line
        yield process.pid, printed
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in out + err


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    with serve(tmp_path) as (_, printed):
        assert "Loading the bundled review" in printed
        ready = re.search(r"ready at (http://127\.0\.0\.1:\d+/)", printed)
        assert ready is not None
        with urllib.request.urlopen(f"{ready[1]}healthz") as answer:  # noqa: S310 - our own
            assert json.load(answer)["status"] == "ok"
    with serve(tmp_path) as (_, printed):
        assert "Loading" not in printed


def test_a_taken_port_is_a_line(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, err = run(
            "serve", "--port", port, "--data-dir", str(tmp_path)
        )
    assert status == 1
    assert f"port {port} of 127.0.0.1 is taken" in err
    assert not (tmp_path / "review.db").exists()


def test_an_address_of_elsewhere_is_a_line(run: Run, tmp_path: Path) -> None:
    status, _, err = run(
        "serve", "--host", "192.0.2.1", "--data-dir", str(tmp_path)
    )
    assert status == 1
    assert "cannot be listened on" in err


def test_search_prints_what_it_finds(run: Run, url: str) -> None:  # noqa: ARG001 - the settings name it
    status, out, _ = run("search", "VMI_SetCR3", "--kind", "call")
    assert status == 0
    assert out.startswith("call        VMI_SetCR3\n")
    assert "call 2" in out.splitlines()[-1]


def test_a_hyphen_of_a_query_is_no_option(run: Run, url: str) -> None:  # noqa: ARG001 - the settings name it
    _, with_it, _ = run("search", "is:call", "cr3", "--json", "--limit", "50")
    _, without, _ = run(
        "search", "is:call", "-cr3", "--json", "--limit", "1000"
    )
    found, others = with_it.splitlines(), without.splitlines()
    assert found
    assert others
    assert not set(found) & set(others)
    assert json.loads(found[0])["kind"] == "call"


def test_a_query_that_is_not_understood_is_pointed_at(
    run: Run,
    url: str,  # noqa: ARG001 - the settings name it
) -> None:
    status, out, err = run("search", "sti foo:bar")
    assert status == 2
    assert not out
    assert err.splitlines()[1:] == ["  sti foo:bar", "      ^"]


def test_reindex_makes_the_index_anew(run: Run, url: str) -> None:
    database = Database(url)
    with database.write() as session:
        search_store.clear(session)
    database.close()
    assert "Nothing is like this." in run("search", "VMI_SetCR3")[1]
    status, out, _ = run("reindex")
    assert status == 0
    assert out.endswith(" items can be found\n")
    assert "call 2" in run("search", "VMI_SetCR3")[1]
