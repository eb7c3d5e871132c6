"""The platforms that there are, by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.sim.bare import WAYS, Native, Platform, Step, get_call_name
from app.sim.hypervisors import Hardware, Software, Translator

__all__ = [
    "PLATFORMS",
    "WAYS",
    "Platform",
    "Step",
    "build_platform",
    "get_call_name",
]

PLATFORMS: Final[Mapping[str, Platform]] = MappingProxyType(
    {
        "native": Native(),
        "software": Software(),
        "hardware": Hardware(),
        "translator": Translator(),
    }
)


def build_platform(
    name: str,
    policies: Mapping[str, str],
    dropped: frozenset[str] = frozenset(),
) -> Platform:
    """Build a platform for one run, which notes what is asked of it."""
    return type(PLATFORMS[name])(policies, dropped)
