"""Mails that nobody should send: mutants by number, and what becomes of them.

    python -m tests.hostile_mails FIRST COUNT FOLDER

makes the mutants FIRST to FIRST + COUNT - 1 of the mails of FOLDER (made-up
ones if it is `-`), and of each does what an import and a page do: reads,
renders, finds quotes, masks, takes out the attachments. It may map 64 MiB
more than when it began; each mutant may take one second of processor time.
What breaks a rule is a line; the last line tells the worst.
"""

import base64
import random
import re
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import nh3

from app.errors import InvalidError
from app.services.mail import read_leaf
from app.services.mail_writing import quote_context
from app.services.masked_mail import mask_mail
from app.services.masking import find_ids, link_ids, mask_addresses
from app.services.preparing import prepare_mail
from app.services.quoted_blocks import find_blocks
from app.services.reply_sources import split_said
from bench.mail_generator import generate

ROOT = Path(__file__).resolve().parents[1]
MAIN = [sys.executable, "-m", "tests.hostile_mails"]
MUTANTS = 10_000
SHARE = 5000
MEGABYTES = 64
SECONDS = 1.0
GENERATED = 60
LENGTHS = (*(1000, 3000) * 15, 10_000, 1_200_000)
TAGS = {"pre", "div", "details", "summary", "span", "a"}
CLASSES = {"class"}
ATTRIBUTES = {
    **dict.fromkeys(TAGS, CLASSES),
    "a": {"href", "rel"},
    "details": {"class", "open"},
    "pre": {"class", "id"},
}

# each run of text is tried once, at its beginning
LONG_TEXT = re.compile(r"(?<![^<>])[^<>]{2000,}+")

Mutate = Callable[[random.Random, bytes], bytes]

CHARSETS = (
    *("utf-7", "utf-16", "utf-16le", "utf-32", "iso-2022-jp", "hz", "big5"),
    *(
        "gb18030",
        "koi8-r",
        "shift_jis",
        "rot13",
        "hex",
        "zip",
        "bz2",
        "base64",
    ),
    *("unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined"),
    *("mbcs", "x-unknown", "", '"', "a" * 5000, "utf-8\0", "ascii'en'"),
)
ENCODINGS = (
    *("7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode"),
    *("uuencode", "yenc", "", "base64 base64", "quoted-printable; a=b"),
)
TYPES = (
    *("text/plain", "text/html", "text/x-patch", "multipart/mixed"),
    *("multipart/alternative", "multipart/related", "message/rfc822"),
    *("message/partial", "application/octet-stream", "text", "/", "a/b/c"),
    *("text/plain; format=flowed", "text/plain; format=flowed; delsp=yes"),
    *("multipart/mixed; boundary=", 'multipart/mixed; boundary="a'),
    "multipart/mixed; boundary*0=a; boundary*1=b; boundary*=utf-8''%61",
    "text/plain; name*=utf-8''%3Cscript%3E; name*0*=x''%ff; name*1*=%00",
)
HOSTILE = (
    *(b"\0", b"\r", b"\n", b"\r\n\r\n", b"\x0c", b"\x1b$B", b"\xff\xfe"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xc0\xaf"),
    *(b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\x85", b"+AGE-"),
    b"<script>alert(1)</script>",
    b"</pre></div></details><img src=x onerror=alert(1)>",
    b'"><svg onload=alert(1)>',
    b"<style>*{display:none}</style><!--",
    b"http://x/\"onmouseover='alert(1)' javascript:alert(1) ",
    b"https://a@b/ http://\xe2\x80\xaejs.example/<b> HTTPS://X/&quot;&#34; ",
    b"javascript://%0aalert(1) data:text/html,<script>1</script> ",
    b"=?utf-8?b?PHNjcmlwdD4=?= =?utf-8?q?=0d=0aBcc:_a=40b?=",
    b"=?x-none?b?////?= =?utf-8?z?a?= =?utf-8?q?=ED=A0=80?= =?a?b?c?=",
    *(b"begin 644 x\n#86)C\n`\nend\n", b"From ", b"\nFrom a b\n\n", b"-- \n"),
    *(b"> " * 400, b">" * 3000, b"\n> a\n>> b\n>>> c\n> d\n" * 20),
    *(b"@@ -1,999999999 +1 @@\n", b"diff -\n--- a\n+++ b\n@@ -1 +1 @@\n+x\n"),
    b"On Mon, A wrote:\nsaid : wrote :\n> x\n",
    b"a@b.example <c@d.example> \xc3\xbc@\xc3\xbc.example @[1.2.3.4]",
    b"Acked-by: <a@b>\nNAK\n Ack.\nNacked-by:\n\tx\n",
)
HEADERS = (
    *(b"From", b"Subject", b"Date", b"Message-ID", b"References", b"To"),
    *(b"In-Reply-To", b"List-Id", b"Archived-At", b"Content-Type", b"MIME"),
    *(b"Content-Transfer-Encoding", b"Content-Disposition", b"X-" + b"a" * 99),
)
DATES = (
    *(b"Thu, 1 Jan 99999 00:00:00 +0000", b"31 Feb 2006 25:61:61 +9999"),
    *(b"Mon, 1 Jan 0001 00:00:00 +2359", b"99999999999999999999", b"(" * 999),
    b"1 Jan 2006 00:00:00 " + b"+" + b"9" * 4000,
)


def flip_bytes(source: random.Random, raw: bytes) -> bytes:
    """Change some bytes to any others."""
    made = bytearray(raw)
    for _ in range(source.randint(1, 30)):
        made[source.randrange(len(made))] = source.randrange(256)
    return bytes(made)


def cut(source: random.Random, raw: bytes) -> bytes:
    """Leave out a piece, or all after a place."""
    start, end = sorted(source.choices(range(len(raw) + 1), k=2))
    return raw[:start] + (raw[end:] if source.random() < 0.6 else b"")


def repeat(source: random.Random, raw: bytes) -> bytes:
    """Say a piece several times."""
    start = source.randrange(len(raw))
    piece = raw[start : start + source.randint(1, 2000)]
    times = source.randint(2, max(2, min(200, 40_000 // len(piece))))
    return raw[:start] + piece * times + raw[start:]


def insert(source: random.Random, raw: bytes) -> bytes:
    """Put what is hostile at some places."""
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(raw) + 1)
        raw = raw[:at] + source.choice(HOSTILE) + raw[at:]
    return raw


def insert_in_head(source: random.Random, raw: bytes) -> bytes:
    """Put what is hostile into the value of a header."""
    head, gap, body = raw.partition(b"\n\n")
    lines = head.split(b"\n")
    at = source.randrange(len(lines))
    name, colon, value = lines[at].partition(b":")
    lines[at] = name + colon + source.choice(HOSTILE) + value
    return b"\n".join(lines) + gap + body


def change_header(source: random.Random, raw: bytes) -> bytes:
    """Give a header another value, once more or instead of its own."""
    name = source.choice(HEADERS)
    value = source.choice(
        (
            *HOSTILE,
            *DATES,
            b"<" + b"a" * source.choice((1, 249, 250, 251, 5000)) + b"@b>",
            b"<a@b> " * source.choice((2, 3000)),
            b"\n " * source.choice((2, 20_000)) + b"x",
            b"=?utf-8?q?" + b"=41" * source.choice((9, 15_000)) + b"?=",
            b"=?utf-8?b?" * 4000,
            b"a, " * 15_000 + b"<a@b>",
            b"(" * 3000 + b")" * 2999,
            b'"' + b"\\" * 3000,
            b"[x] re: fwd: " * 1000,
        )
    )
    line = name + b": " + value + b"\n"
    if source.random() < 0.5:
        raw = re.sub(
            rb"(?im)^" + re.escape(name) + rb":.*\n", b"", raw, count=1
        )
    return line + raw


def multiply_headers(source: random.Random, raw: bytes) -> bytes:
    """Add many headers, or take their names away."""
    if source.random() < 0.5:
        name = source.choice(HEADERS)
        return (name + b": x\n") * source.choice((2, 290, 900)) + raw
    return re.sub(rb"(?m)^[\w-]+:", b"", raw, count=source.randint(1, 30))


def change_type(source: random.Random, raw: bytes) -> bytes:
    """Say that the text is of another type, charset or encoding."""
    head, _, body = raw.partition(b"\n\n")
    kept = re.sub(
        rb"(?im)^content-(type|transfer-encoding|disposition):.*(\n[ \t].*)*",
        b"X-Was: x",
        head,
    )
    charset = source.choice(CHARSETS).encode()
    quoted = source.choice((b"%s", b'"%s"', b"'%s'")) % charset
    encoding = source.choice(ENCODINGS)
    if encoding == "base64" and source.random() < 0.7:
        body = base64.encodebytes(body)
    kind = source.choice(TYPES).encode()
    return (
        kept
        + b"\nContent-Type: %s; charset=%s\n" % (kind, quoted)
        + b"Content-Transfer-Encoding: %s\n\n" % encoding.encode()
        + body
    )


def nest(source: random.Random, raw: bytes) -> bytes:
    """Wrap the mail into parts, deep or wide, some of them not closed."""
    head, _, body = raw.partition(b"\n\n")
    part = b"Content-Type: text/plain\n\n" + body[:3000]
    if source.random() < 0.3:
        part = b"Content-Type: text/html\n\n" + b"<div>" * 3000 + body[:3000]
    for level in range(source.choice((1, 2, 7, 8, 9, 40))):
        mark = source.choice((b"a", b"b%d" % level, b"a" * 70, b"-" * 9))
        kind = source.choice((b"mixed", b"alternative", b"digest", b"signed"))
        times = source.choice((1, 1, 1, 2)) if len(part) < 20_000 else 1
        end = source.choice((b"--\n", b"\n", b""))
        part = (
            b'Content-Type: multipart/%s; boundary="%s"\n\n' % (kind, mark)
            + (b"--" + mark + b"\n" + part + b"\n") * times
            + (b"--" + mark + end)
        )
    if source.random() < 0.1:
        part = b'Content-Type: multipart/mixed; boundary="a"\n\n' + (
            b"--a\n\nx\n" * source.choice((99, 101, 5000))
        )
    kept = re.sub(rb"(?im)^content-type:.*\n([ \t].*\n)*", b"", head + b"\n")
    return kept.rstrip(b"\n") + b"\n" + part


def swell(source: random.Random, raw: bytes) -> bytes:
    """Make the text long in a way that costs whoever reads it carelessly."""
    head, _, _ = raw.partition(b"\n\n")
    unit = source.choice(
        (
            *(
                b">",
                b"> ",
                b" ",
                b"\n",
                b"\n>",
                b"@",
                b"a@",
                b"a.",
                b"<",
                b"&",
            ),
            *(
                b"http://",
                b"http://a(",
                b")",
                b"x \n",
                b">x \n>y\n",
                b"(",
                b"+",
            ),
            *(b"said ", b"wrote:", b"On ", b"--- \n", b"-- \n> ", b"\t", b"="),
            *(b"> \n>> \n", b"@@ -1 +1 @@\n", b"Ack\n", b"x-by: y\n ", b"\r"),
            *(b"begin 644 a\n", b"=\n", b"a-", b"To unsubscribe ", b"_"),
            *(b"\xc3\xbc@", b"http://a@b/,", b"&#64;", b"wrote : ", b"said\t"),
        )
    )
    text = unit * (source.choice(LENGTHS) // len(unit))
    if source.random() < 0.3:
        kind = source.choice(TYPES[-4:-2] + TYPES[7:9]).encode()
        head += b"\nContent-Type: " + kind
    return head + b"\n\n" + text + source.choice((b"", b"\nx\n", b":\n> a\n"))


def truncate(source: random.Random, raw: bytes) -> bytes:
    """Leave out the end."""
    return raw[: source.randrange(len(raw))]


MUTATIONS: tuple[Mutate, ...] = (
    *(flip_bytes, cut, repeat, insert, insert, insert_in_head, truncate),
    *(change_header, change_header, multiply_headers, change_type),
    *(change_type, nest, swell),
)


def make_mutant(number: int, mails: Sequence[bytes]) -> bytes:
    """Return mutant `number`, always the same."""
    source = random.Random(number)  # noqa: S311 - no secret
    raw = mails[number % len(mails)]
    for _ in range(source.choice((1, 1, 2, 3))):
        raw = source.choice(MUTATIONS)(source, raw) or b"\n"
    return raw


def read_mails(folder: str) -> list[bytes]:
    """Return the mails that are mutated."""
    if folder == "-":
        return [copy.raw for copy in generate(GENERATED)]
    return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def examine(raw: bytes) -> str:
    """Do with a mail all that is done with one; return its HTML."""
    prepared = prepare_mail(raw)
    mail = prepared.mail
    html = zlib.decompress(prepared.html).decode()
    blocks = find_blocks(mail.body)
    for block in blocks:
        if mail.body[block.reply_start : block.reply_end] and not block.reply:
            raise AssertionError("a reply without text")
    for part in mail.attachments:
        content = read_leaf(raw, part.position)
        if content is None or len(content) != part.size:
            raise AssertionError(f"attachment {part.position} is another")
    ids = dict.fromkeys(find_ids(html), "/m/x@y/")
    masked = mask_addresses(link_ids(html, ids))
    mask_mail(raw, mail.body)
    for said in split_said(mail.body)[:40]:
        quote_context(said)
    for value in (mail.subject, mail.sender, mail.body, html, masked):
        value.encode()  # no lone surrogate
        if "\0" in value:
            raise AssertionError("a NUL")
    return html


def check_html(html: str) -> str:
    """Return what is wrong with a mail's HTML: the sanitiser changes it.

    Long texts between tags are left out, for it takes the square of their
    length.
    """
    html = LONG_TEXT.sub("…", html)
    clean = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel=None,
    )
    if clean == html.replace(" open>", ' open="">'):
        return ""
    same = read_events(clean) == read_events(html)
    return "" if same else "the sanitiser changes this page"


class _Events(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[object] = []

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.seen.append((tag, sorted((n, v or "") for n, v in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(tag)

    def handle_data(self, data: str) -> None:
        self.seen.append(("", data))


def read_events(html: str) -> list[object]:
    """Return the elements, attributes and texts of a page in order."""
    reader = _Events()
    reader.feed(html)
    reader.close()
    return reader.seen


def measure(raw: bytes) -> tuple[float, str]:
    """Return what examining a mail took, and what was wrong, if anything."""
    began = time.process_time()
    html = wrong = ""
    try:
        html = examine(raw)
    except InvalidError as error:
        wrong = "" if str(error).isprintable() else "an unprintable refusal"
    except MemoryError:
        wrong = f"more than {MEGABYTES} MiB"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        wrong = f"{type(error).__name__}: {error}"
    took = time.process_time() - began
    return took, wrong or check_html(html)


def limit_memory() -> None:
    """Let this process map so much more than it does now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEGABYTES * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Examine the mutants that the arguments name."""
    first, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    mails = read_mails(folder)
    for raw in mails:  # what is made once is no mutant's doing
        measure(raw)
    limit_memory()
    worst = (0.0, 0)
    for number in range(first, first + count):
        # an error below Python's ends the process: this says at which
        sys.stderr.write(f"{number}\n")
        raw = make_mutant(number, mails)
        took, wrong = measure(raw)
        if took > SECONDS and not wrong:
            took = min(took, measure(raw)[0])  # the machine may be busy
            wrong = f"{took:.2f} s" if took > SECONDS else ""
        if wrong:
            sys.stdout.write(f"seed {number}: {wrong}\n")
        worst = max(worst, (took, number))
    sys.stdout.write(f"worst: {worst[0]:.3f} s, seed {worst[1]}\n")


def run(first: int, count: int, folder: str) -> None:
    """Examine mutants in a process of their own; tell what breaks a rule."""
    done = subprocess.run(
        [*MAIN, str(first), str(count), folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    last = done.stderr.splitlines()[-1:]
    assert done.returncode == 0, f"ended at {last}"
    *wrong, worst = done.stdout.splitlines()
    assert worst.startswith("worst: ")
    assert not wrong, "\n".join(wrong)


if __name__ == "__main__":
    main()
