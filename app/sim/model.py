"""The version of the semantics: part of every report's id."""

from typing import Final

MODEL: Final = "2.0"
"""Changes whenever an answer may change."""
