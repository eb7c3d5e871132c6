"""What `vmi-review check` finds: each danger, and nothing in a safe site."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app as program
from app.config import Settings
from app.db import Database
from app.models import Role, Scope
from app.services import reviewers, safety, signing, tokens

SAFE: dict[str, Any] = {
    "base_url": "https://review.example",
    "secure_cookies": True,
    "trusted_proxies": "127.0.0.1",
}


def find(**given: Any) -> set[str]:
    """Return the subjects of what is found in these settings."""
    settings = Settings(**{**SAFE, **given})
    return {one.subject for one in safety.check_settings(settings)}


def test_a_safe_site_has_no_finding() -> None:
    assert find() == set()


def test_a_program_on_this_machine_alone_has_no_finding() -> None:
    settings = Settings()
    assert list(safety.check_settings(settings)) == []


@pytest.mark.parametrize(
    ("given", "subject"),
    [
        ({"base_url": "http://review.example"}, "base_url"),
        ({"base_url": "", "host": "0.0.0.0"}, "host"),  # noqa: S104 - unsafe
        ({"base_url": "", "host": "0.0.0.0"}, "allowed_hosts"),  # noqa: S104 - unsafe
        ({"allowed_hosts": "*"}, "allowed_hosts"),
        ({"secure_cookies": False}, "secure_cookies"),
        ({"base_url": "http://localhost"}, "secure_cookies"),
        ({"trusted_proxies": "0.0.0.0/0"}, "trusted_proxies"),
        ({"trusted_proxies": "::/0"}, "trusted_proxies"),
        ({"trusted_proxies": ""}, "trusted_proxies"),
        ({"trusted_proxies": "", "host": "0.0.0.0"}, "trusted_proxies"),  # noqa: S104 - unsafe
        ({"limit_reads": ""}, "limit_reads"),
        ({"limit_sign_ins": ""}, "limit_sign_ins"),
        ({"database_url": "postgresql://u@db.example/r"}, "database_url"),
        ({"database_url": "postgresql:///r?host=db.example"}, "database_url"),
        (
            {"oidc_issuer": "https://id.example", "oidc_role": "editor"},
            "oidc_role",
        ),
    ],
)
def test_each_danger_is_found(given: dict[str, Any], subject: str) -> None:
    assert subject in find(**given)


def test_a_database_that_is_reached_by_tls_is_safe() -> None:
    url = "postgresql://u@db.example/r?sslmode=verify-full"
    assert find(database_url=url) == set()


def test_files_that_others_read_are_found(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    file = tmp_path / "review.db"
    file.touch(0o644)
    tmp_path.chmod(0o700)
    signing.load_key(tmp_path)
    assert list(safety.check_files(settings)) == []
    (tmp_path / signing.KEY_FILE).chmod(0o640)
    tmp_path.chmod(0o777)
    found = {one.subject for one in safety.check_files(settings)}
    assert found == {
        str(tmp_path / signing.KEY_FILE),
        str(tmp_path),
        str(file),
    }


def test_keys_for_ever_are_found(empty_database: Database) -> None:
    with empty_database.write() as session:
        reviewers.add_reviewer(session, "ada", Role.administrator)
        found = {one.subject for one in safety.check_accounts(session)}
        assert found == {"administrator"}
        reviewers.set_password(session, "ada", "hash")
        assert list(safety.check_accounts(session)) == []
        tokens.create_token(session, "ada", scope=Scope.read)
        tokens.create_token(session, "ada", scope=Scope.admin, days=3)
        assert list(safety.check_accounts(session)) == []
        tokens.create_token(session, "ada", scope=Scope.admin)
        found = {one.subject for one in safety.check_accounts(session)}
        assert found == {"tokens"}


def test_the_command_says_what_to_do_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMI_REVIEW_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    run = CliRunner().invoke
    good = run(program, ["check"])
    assert good.exit_code == 0
    assert "Nothing unsafe" in good.output
    bad = run(program, ["check", "--limit-writes", ""])
    assert bad.exit_code == 1
    assert "limit_writes: nothing limits how often" in bad.output
    assert "120/minute" in bad.output
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "root" in run(program, ["check"]).output
