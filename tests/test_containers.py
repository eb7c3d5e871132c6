"""The container files are linted; no image is built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.config import Settings
from app.services import safety

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent


def test_dockerfile_has_no_lint() -> None:
    done = subprocess.run(
        [PROGRAMS / "hadolint", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_file_follows_the_compose_specification() -> None:
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema"]
        + ["--builtin-schema", "vendor.compose-spec"]
        + [ROOT / "docker-compose.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_containers_behind_a_proxy_as_the_readme_says_are_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `docker compose up` sets there leaves nothing for `check`."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    chosen = {
        "POSTGRES_PASSWORD": "secret",
        "VMI_REVIEW_BASE_URL": "https://review.example",
        "VMI_REVIEW_SECURE_COOKIES": "true",
        "VMI_REVIEW_TRUSTED_PROXIES": "172.18.0.1",
    }
    told = compose["services"]["app"]["environment"]
    for name, value in told.items():
        text = re.sub(r"\$\{(\w+):[^}]*\}", lambda m: chosen[m[1]], value)
        monkeypatch.setenv(name, text)
    settings = Settings(host="0.0.0.0")  # noqa: S104 - as in the image
    assert list(safety.check_settings(settings)) == []


def test_compose_file_names_only_settings_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    names = {f"VMI_REVIEW_{field.upper()}" for field in Settings.model_fields}
    assert set(compose["services"]["app"]["environment"]) <= names
