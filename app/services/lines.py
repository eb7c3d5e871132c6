"""What somebody typed: which characters a text and a line may hold."""

import unicodedata

KEPT_CONTROLS = "\n\t"


def clean_text(value: str) -> str:
    """Refuse what no text holds; make every line end a line feed."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    for character in value:
        category = unicodedata.category(character)
        if category == "Cs":
            raise ValueError("a lone surrogate is not text")
        if category == "Cc" and character not in KEPT_CONTROLS:
            raise ValueError(
                f"the control character U+{ord(character):04X} is not text"
            )
    return value


def clean_line(value: str) -> str:
    """Refuse what no line of text holds, and fold its white space."""
    return " ".join(clean_text(value).split())
