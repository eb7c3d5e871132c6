"""Settings: from the environment, checked, with defaults that just work."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config import ROOT, Settings


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting out of the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VMI_REVIEW_{name.upper()}", raising=False)


def test_without_any_it_is_sqlite_on_loopback() -> None:
    settings = Settings()
    assert settings.host == "127.0.0.1"
    assert settings.get_database_url() == f"sqlite:///{ROOT}/data/review.db"


def test_the_database_lies_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.get_database_url() == f"sqlite:///{tmp_path}/review.db"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_each_setting_says_what_it_is(name: str) -> None:
    assert Settings.model_fields[name].description


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMI_REVIEW_PORT", "9000")
    monkeypatch.setenv("VMI_REVIEW_SECURE_COOKIES", "true")
    settings = Settings()
    assert (settings.port, settings.secure_cookies) == (9000, True)


def test_what_is_given_beats_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VMI_REVIEW_PORT", "9000")
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://a@h/n", "postgresql+psycopg://a@h/n"),
        ("postgresql+psycopg://a@h/n", "postgresql+psycopg://a@h/n"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_the_driver_is_named(given: str, used: str) -> None:
    assert Settings(database_url=given).get_database_url() == used


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "mysql://h/n"),
        ("database_url", "sqlite:///:memory:"),
        ("database_url", "sqlite:///"),
        ("port", "70000"),
        ("port", "-1"),
        ("run_workers", "0"),
        ("run_seconds", "0"),
        ("page_cache", "-1"),
        ("session_days", "0"),
        ("link_hours", "1000"),
        ("log_level", "loud"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"VMI_REVIEW_{name.upper()}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert caught.value.errors()[0]["loc"] == (name,)


@pytest.mark.parametrize("name", ["port", "data_dir"])
def test_settings_do_not_change(name: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), name, 1)
