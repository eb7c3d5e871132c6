"""Settings of a command, and the module that carries it out.

Nothing here loads more than the settings: help must not wait.
"""

import gc
from importlib import import_module
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from app.config import Settings
from app.errors import CommandError


def read_settings(given: dict[str, Any] | None = None) -> Settings:
    """Return the settings: options that were given, else the environment."""
    chosen = {k: v for k, v in (given or {}).items() if v is not None}
    try:
        return Settings(**chosen)
    except ValidationError as error:
        wrong = [
            f"{one['loc'][0]}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_url=False)
        ]
        raise CommandError("; ".join(wrong), status=2) from None


def load_command(noun: str) -> ModuleType:
    """Return the module that carries a command out.

    What is loaded lives as long as the program: the collector, which would
    go through it in vain, rests meanwhile.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(f"app.commands.{noun}")
    finally:
        if was_enabled:
            gc.enable()
