"""Addresses of mails, hidden from readers who are not signed in.

As list archives do, the part before the `@` stays: `ak@xxxxxxx`. What
identifies a Message-ID stays too, where that mail is stored here. The search
starts at each `@`, so that a text costs little more than reading it.
"""

import re
from collections.abc import Iterator, Mapping

from markupsafe import escape

# a plus or minus before the @ may be a patch's sign, and it a decorator
_ADDRESS = re.compile(
    r"@(?:(?<=[^\s<>(,/+-]@)|(?<=\w[+-]@))"
    r"((?:[\w-]+\.)+[^\W\d_][\w-]+|\[[0-9A-Za-z:.]+\])"
)
_ANGLED = re.compile(r"&lt;([^\s&<>@]{1,250}@[^\s&<>@]{1,250})&gt;")


_LOCAL = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}$")
_LONGEST_LOCAL = 64


def find_addresses(text: str) -> Iterator[str]:
    """Give the addresses that masking would hide."""
    for found in _ADDRESS.finditer(text) if "@" in text else ():
        at = found.start()
        local = _LOCAL.search(text[max(0, at - _LONGEST_LOCAL) : at])
        yield f"{local[0] if local else ''}{found[0]}"


def mask_addresses(text: str) -> str:
    """Hide where mail goes to, in text or in HTML."""
    return _ADDRESS.sub(_mask, text) if "@" in text else text


def _mask(found: re.Match[str]) -> str:
    return f"@{'x' * len(found[1])}"


def find_ids(html: str) -> set[str]:
    """Return what stands in angle brackets and may be a Message-ID."""
    return set(_ANGLED.findall(html)) if "@" in html else set()


def link_ids(html: str, addresses: Mapping[str, str]) -> str:
    """Link the ids that have an address here; masking leaves these alone."""
    if not addresses:
        return html

    def link(found: re.Match[str]) -> str:
        address = addresses.get(found[1])
        if address is None:
            return found[0]
        reference = str(escape(address)).replace("@", "%40")
        shown = found[1].replace("@", "&#64;")
        return f'<a href="{reference}">&lt;{shown}&gt;</a>'

    return _ANGLED.sub(link, html)
