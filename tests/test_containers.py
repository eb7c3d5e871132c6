"""The container files are linted; no image is built."""

import subprocess
import sys
from pathlib import Path

import yaml

from app.config import Settings

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


def test_compose_file_names_only_settings_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    names = {f"VMI_REVIEW_{field.upper()}" for field in Settings.model_fields}
    assert set(compose["services"]["app"]["environment"]) <= names
