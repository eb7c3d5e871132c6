"""Static files: vendored ones unchanged, own ones small and self-contained."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
TEMPLATES = ROOT / "app" / "templates"

FONT_BYTES = 150_000
SCRIPT_LINES = 150
EDITOR_LINES = 301
TEXT_CONTRAST = 4.5
EDGE_CONTRAST = 3.0

OTHER_HOST = re.compile(
    r"""(?:src|href|url|import)\s*[=(]\s*["']?\s*(?:https?:)?//"""
)
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def _packages() -> list[dict[str, Any]]:
    listed = tomllib.loads((VENDOR / "VENDOR.toml").read_text("utf-8"))
    packages: list[dict[str, Any]] = listed["package"]
    return packages


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _own_files() -> list[Path]:
    texts = (".css", ".js", ".svg")
    own = [path for path in STATIC.iterdir() if path.suffix in texts]
    return sorted([*own, *TEMPLATES.rglob("*.html")])


def _css() -> str:
    return (STATIC / "app.css").read_text("utf-8")


def _luminance(colour: str) -> float:
    """Compute the relative luminance of WCAG 2 from #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _colours() -> dict[str, tuple[str, str]]:
    found = re.findall(
        r"--([a-z]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", _css()
    )
    return {name: (light, dark) for name, light, dark in found}


def test_vendored_files_are_unchanged() -> None:
    """Each vendored file has the hash that VENDOR.toml gives it."""
    for package in _packages():
        for name, expected in package["files"].items():
            assert _hash(VENDOR / name) == expected, name
        text = VENDOR / package["licence_text"]
        assert _hash(text) == package["licence_sha256"], text


def test_vendored_files_are_all_listed() -> None:
    """Nothing lies in the vendor folder that VENDOR.toml does not name."""
    listed = {VENDOR / "VENDOR.toml"}
    for package in _packages():
        listed |= {VENDOR / name for name in package["files"]}
        listed.add(VENDOR / package["licence_text"])
    assert {path for path in VENDOR.rglob("*") if path.is_file()} == listed


def test_packages_say_where_they_come_from() -> None:
    """Each package has a name, version, licence, source and use."""
    for package in _packages():
        for key in ("name", "version", "licence", "source", "use"):
            assert package[key].strip(), (package["name"], key)
        assert package["version"] in package["source"]


def test_fonts_keep_their_budget() -> None:
    """All fonts together stay under 150 KB."""
    assert sum(font.stat().st_size for font in VENDOR.glob("*.woff2")) < (
        FONT_BYTES
    )


def test_own_script_is_short() -> None:
    """The page script stays under 150 lines: pages work without it."""
    lines = (STATIC / "app.js").read_text("utf-8").splitlines()
    assert len(lines) < SCRIPT_LINES


def test_the_editor_is_short() -> None:
    """The editor's script has 300 lines at most, without a framework."""
    lines = (STATIC / "editor.js").read_text("utf-8").splitlines()
    assert len(lines) < EDITOR_LINES


@pytest.mark.parametrize("path", _own_files(), ids=lambda path: path.name)
def test_no_other_host_is_asked(path: Path) -> None:
    """No page, style or script loads anything from another host."""
    text = path.read_text("utf-8").replace(SVG_NAMESPACE, "")
    assert not OTHER_HOST.search(text)


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name
)
def test_templates_carry_no_inline_style_or_script(path: Path) -> None:
    """The content security policy allows neither, so no template has any.

    A block of JSON is no script: nothing runs it.
    """
    text = path.read_text("utf-8")
    assert "<style" not in text
    assert not re.search(
        r"<script(?![^>]*\s(?:src=|type=.application/json.))", text
    )


def test_styles_name_files_that_exist() -> None:
    """Each address in the style sheet is a file below static."""
    addresses = re.findall(r'url\("([^"]+)"\)', _css())
    assert addresses
    for address in addresses:
        assert (STATIC / address).is_file(), address


def test_styles_use_only_named_colours() -> None:
    """Colours stand once, as custom properties; components refer to them."""
    rules = _css().split("@font-face", 1)[1].split("@media print", 1)[0]
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rules)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "wash", "mark"])
@pytest.mark.parametrize(
    "name",
    ["ink", "second", "accent", "blocking", "concern", "settled", "disputed"],
)
def test_text_has_contrast(name: str, ground: str, theme: int) -> None:
    """Each text colour reaches 4.5 to 1 on each ground (WCAG 1.4.3)."""
    colours = _colours()
    ratio = _contrast(colours[name][theme], colours[ground][theme])
    assert ratio >= TEXT_CONTRAST, f"{name} on {ground}: {ratio:.2f}"


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_edges_of_controls_have_contrast(theme: int) -> None:
    """The edge of a field reaches 3 to 1 on the paper (WCAG 1.4.11)."""
    colours = _colours()
    ratio = _contrast(colours["edge"][theme], colours["paper"][theme])
    assert ratio >= EDGE_CONTRAST


def test_every_sign_in_use_is_drawn() -> None:
    """The sprite holds a drawing for each answer and each state."""
    drawn = set(
        re.findall(
            r'id="sign-([a-z-]+)"',
            (TEMPLATES / "macros" / "sign.html").read_text("utf-8"),
        )
    )
    answers = "always sometimes never unspecified not-modelled limit"
    states = "blocking concern nit answered conceded disputed"
    assert {*answers.split(), *states.split()} <= drawn
    assert {"deferred", "unanswered", "executable"} <= drawn
