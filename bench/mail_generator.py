"""Mail of a busy list, made up: any number of messages, always the same.

    python bench/mail_generator.py COUNT FILE

Conversations of 1 to 300 mails, many at a time, as they arrive at a list:
answers that quote what they answer, to any depth, patches, attachments,
several charsets and transfer encodings, copies from other lists, mails whose
parent never came or that name none. A thousand and more hold conversations of
exactly 50, 100 and 200 mails, none of them guessed. The middle size is near
3.4 KiB. Half of the proposals quote the document under review. Nothing is
read but that document; the same number and seed give the same bytes.
"""

import base64
import quopri
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.services.mail_export import Copy, write_mboxrd  # noqa: E402

DOCUMENT = ROOT / "app/corpus/vmi/document.md"
SEED = 2006
SIZES = (50, 100, 200)
"""The conversations that the pages of a thread are measured by."""
SIZES_FROM = 1000
LONGEST = 300
OPEN_AT_ONCE = 40
MOST_REFERENCES = 20
START = datetime(2006, 3, 13, 18, 0, tzinfo=UTC)
RARE = "quagmire"
RARE_EVERY = 2500
"""A word that one mail in so many holds, the first of them included."""
COMMON = "interrupt"

LISTS = (
    "linux-kernel@vger.example.org",
    "virtualization@lists.example.org",
    "xen-devel@lists.example.com",
    "kvm-devel@lists.example.net",
)
PEOPLE = (
    *("Ada Byron", "Grace Hopper", "Alan Kay", "Konrad Zuse", "Niklaus Wirth"),
    *("Edsger Dijkstra", "Barbara Liskov", "Tony Hoare", "Jean Bartik"),
    *("Jürgen Müller", "François Côté", "Søren Østergård", "Łukasz Żak"),
    *("山田太郎", "Иван Петров", "Ana Peña"),
)
COMMON_WORDS = (
    "the a to of is that it in and not this we be on for you are as with have"
    " if but can do at or by an will what so from there was would then all"
    " which they no should when one does only more some any just has how call"
    f" {COMMON} page guest kernel code hypervisor interface table memory cpu"
    " processor flag register time native patch case"
).split()
SYLLABLES = (
    *("ka", "lo", "mi", "tra", "ver", "sen", "dor", "pul", "kin", "ath"),
    *("rem", "sol", "gra", "pha", "ton", "bel", "ix", "qua"),
)
ENCODINGS = (
    *(("us-ascii", "7bit"),) * 13,
    *(("utf-8", "8bit"),) * 3,
    *(("utf-8", "quoted-printable"),) * 2,
    *(("iso-8859-1", "quoted-printable"), ("utf-8", "base64")),
    *(("iso-2022-jp", "7bit"), ("koi8-r", "8bit")),
)
FOREIGN = {
    "utf-8": "Größe, façade, 日本語 — “quoted”",
    "iso-8859-1": "Größe, façade, señal",
    "iso-2022-jp": "日本語の説明",
    "koi8-r": "проверка связи",
    "us-ascii": "nothing special",
}


def _make_vocabulary() -> list[str]:
    # a list speaks of thousands of things, most of them once in a while
    source = random.Random(SEED)  # noqa: S311 - no secret
    words = dict.fromkeys(COMMON_WORDS)
    while len(words) < 20_000:  # noqa: PLR2004 - as many as a list knows
        parts = source.choices(SYLLABLES, k=source.randint(2, 5))
        words["".join(parts)] = None
    return list(words)


VOCABULARY = _make_vocabulary()
WEIGHTS = list(accumulate(1 / (n + 3) ** 1.05 for n in range(len(VOCABULARY))))


@dataclass(slots=True)
class Sent:
    """A mail that was sent, as far as its answers need to know it."""

    message_id: str
    references: list[str]
    sender: str
    sent_at: datetime
    lines: list[str]


@dataclass(slots=True)
class Talk:
    """A conversation that is going on."""

    number: int
    size: int
    subject: str
    is_whole: bool
    sent: list[Sent] = field(default_factory=list)


class Generator:
    """Makes mail after mail out of one source of chance."""

    def __init__(self, count: int, seed: int, document: str) -> None:
        self.count = count
        self.source = random.Random(seed)  # noqa: S311 - no secret
        self.document = document.splitlines()
        self.clock = START
        self.talks = 0
        self.made = 0

    def make(self) -> Iterator[Copy]:
        """Give `count` mails in the order in which they arrive."""
        sizes = list(SIZES) if self.count >= SIZES_FROM else []
        left = self.count - sum(sizes)
        going = [self._open_talk(size, is_whole=True) for size in sizes]
        while going or left:
            while left and len(going) < OPEN_AT_ONCE:
                size = min(left, self._choose_size())
                left -= size
                going.append(self._open_talk(size, is_whole=False))
            talk = self.source.choice(going)
            yield from self._send(talk)
            if len(talk.sent) >= talk.size:
                going.remove(talk)

    def _choose_size(self) -> int:
        return min(LONGEST, int(self.source.paretovariate(0.85)))

    def _open_talk(self, size: int, *, is_whole: bool) -> Talk:
        self.talks += 1
        name = self._make_words(self.source.randint(3, 7))
        subject = f"conversation of {size}" if is_whole else name
        if self.source.random() < 0.4:  # noqa: PLR2004 - many are patches
            subject = f"[PATCH {self.source.randint(1, 24)}/24] {subject}"
        return Talk(self.talks, size, subject, is_whole)

    def _send(self, talk: Talk) -> Iterator[Copy]:
        chance = self.source.random
        self.clock += timedelta(seconds=int(self.source.expovariate(1 / 240)))
        skew = -2400 if chance() < 0.02 else self.source.randint(0, 90)  # noqa: PLR2004 - a slow clock
        parent = self._choose_parent(talk)
        sent = Sent(
            message_id=f"{talk.number}.{len(talk.sent)}@mail.example.org",
            references=self._refer(talk, parent),
            sender=self.source.choice(PEOPLE),
            sent_at=self.clock + timedelta(seconds=skew),
            lines=self._write_body(talk, parent),
        )
        if self.made % RARE_EVERY == 0:
            sent.lines += [f"This {RARE} has to end.", ""]
        self.made += 1
        talk.sent.append(sent)
        raw = self._write(talk, sent, parent, LISTS[talk.number % len(LISTS)])
        yield Copy(raw, "owner@mail.example.org", self.clock)
        is_last = talk.is_whole or len(talk.sent) == talk.size
        if not is_last and chance() < 0.015:  # noqa: PLR2004 - few come again
            talk.size -= 1  # which counts what arrives
            other = LISTS[
                (talk.number + self.source.randint(0, 1)) % len(LISTS)
            ]
            raw = self._write(talk, sent, parent, other)
            yield Copy(raw, "owner@mail.example.org", self.clock)

    def _choose_parent(self, talk: Talk) -> Sent | None:
        if not talk.sent:
            return None
        if self.source.random() < 0.6:  # noqa: PLR2004 - mostly to the latest
            return talk.sent[-1 - min(len(talk.sent) - 1, self._choose_near())]
        return self.source.choice(talk.sent)

    def _choose_near(self) -> int:
        return int(self.source.expovariate(1.5))

    def _refer(self, talk: Talk, parent: Sent | None) -> list[str]:
        if parent is None:
            return []
        fate = 1.0 if talk.is_whole else self.source.random()
        if fate < 0.01:  # noqa: PLR2004 - names nothing, but says Re:
            return []
        if fate < 0.02:  # noqa: PLR2004 - answers what never came
            return [f"lost.{talk.number}.{len(talk.sent)}@elsewhere.example"]
        chain = [*parent.references, parent.message_id]
        return chain[:1] + chain[1:][-MOST_REFERENCES:]

    def _make_words(self, count: int) -> str:
        words = self.source.choices(VOCABULARY, cum_weights=WEIGHTS, k=count)
        return " ".join(words)

    def _write_paragraph(self) -> list[str]:
        text = self._make_words(self.source.randint(15, 88)).capitalize()
        if self.source.random() < 0.02:  # noqa: PLR2004 - as mbox dreads it
            text = f"From {text}"
        lines, line = [], ""
        for word in f"{text}.".split():
            if len(line) + len(word) > 70:  # noqa: PLR2004 - the width of mail
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        return [*lines, line, ""]

    def _write_body(self, talk: Talk, parent: Sent | None) -> list[str]:
        if parent is None:
            return self._write_opening(talk)
        lines = [f"On {parent.sent_at:%A %d %B %Y}, {parent.sender} wrote:"]
        for start in self._choose_starts(parent.lines):
            quoted = parent.lines[start : start + self.source.randint(4, 14)]
            lines += [f"> {line}"[:200] for line in quoted]
            lines += ["", *self._write_paragraph()]
        if self.source.random() < 0.5:  # noqa: PLR2004 - some say more
            lines += self._write_paragraph()
        if self.source.random() < 0.08:  # noqa: PLR2004 - few agree
            lines += ["Acked-by: Ada Byron <ada@mail.example.org>", ""]
        return lines

    def _choose_starts(self, lines: Sequence[str]) -> list[int]:
        places = self.source.choices(
            range(max(1, len(lines))), k=self.source.randint(1, 4)
        )
        return sorted({place // 10 * 10 for place in places})

    def _write_opening(self, talk: Talk) -> list[str]:
        lines = []
        for _ in range(self.source.randint(1, 5)):
            lines += self._write_paragraph()
        if talk.number % 4 == 0 and self.document:
            start = self.source.randrange(len(self.document))
            lines += [f"+{line}" for line in self.document[start : start + 40]]
        if talk.subject.startswith("[PATCH"):
            lines += [f"Signed-off-by: {self.source.choice(PEOPLE)} <a@b.org>"]
            lines += ["---", *self._write_patch()]
        return lines

    def _write_patch(self) -> list[str]:
        lines = []
        for _ in range(self.source.randint(1, 3)):
            name = self._make_words(1)
            lines += [f"--- a/arch/i386/{name}.c", f"+++ b/arch/i386/{name}.c"]
            for _ in range(self.source.randint(1, 3)):
                start, size = self.source.randint(1, 900), 9
                lines.append(f"@@ -{start},{size} +{start},{size} @@")
                lines += [
                    f"{mark}\t{self._make_words(4).replace(' ', '_')}();"
                    for mark in "   --++  "
                ]
        return [*lines, ""]

    def _write(
        self, talk: Talk, sent: Sent, parent: Sent | None, to: str
    ) -> bytes:
        charset, encoding = ENCODINGS[hash_of(sent) % len(ENCODINGS)]
        is_flowed = hash_of(sent) % 23 == 0
        lines = [*sent.lines, FOREIGN[charset]]
        if hash_of(sent) % 3 == 0:
            lines += ["-- ", sent.sender, "Institute of Made Up Machines"]
        text = "\n".join(lines) + "\n"
        body = encode_body(text, charset, encoding)
        kind = f"text/plain; charset={charset}"
        kind += "; format=flowed" * is_flowed
        head = self._write_head(talk, sent, parent, to)
        part = (
            f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n"
        ).encode() + body
        if hash_of(sent) % 40:
            return head + part
        return head + attach(part, "\n".join(self._write_patch()).encode())

    def _write_head(
        self, talk: Talk, sent: Sent, parent: Sent | None, to: str
    ) -> bytes:
        name, _, host = to.partition("@")
        lines = [f"Return-Path: <{name}-owner@{host}>"]
        for hop in range(3):
            at = format_datetime(sent.sent_at + timedelta(seconds=3 - hop))
            lines += [
                f"Received: from hop{hop}.example.org ([192.0.2.{hop + 1}])",
                f"\t(using TLSv1 with cipher DHE-RSA-AES256-SHA by {host})",
                f"\tby {host} with ESMTP id S{hash_of(sent):08d}",
                f"\tfor <{to}>; {at}",
            ]
        lines += [
            f"Date: {format_datetime(sent.sent_at)}",
            f"From: {encode_word(sent.sender)} <{get_address(sent.sender)}>",
            f"To: {to}",
            "Cc: Grace Hopper <grace@mail.example.org>,",
            "\tAlan Kay <alan@mail.example.org>, kernel@lists.example.org",
            f"Subject: {'Re: ' if parent else ''}{talk.subject}",
            f"Message-ID: <{sent.message_id}>",
            *(f"In-Reply-To: <{id_}>" for id_ in sent.references[-1:]),
        ]
        if sent.references:
            ids = [f"<{id_}>" for id_ in sent.references]
            lines.append("References: " + "\n\t".join(ids))
        lines += [
            "User-Agent: Mutt/1.4.2.1i",
            f"Sender: {name}-owner@{host}",
            "Precedence: bulk",
            f"List-Id: <{name}.{host}>",
            f"X-Mailing-List: {to}",
            "MIME-Version: 1.0",
        ]
        return ("\n".join(lines) + "\n").encode("ascii", "replace")


def hash_of(sent: Sent) -> int:
    """Return a number that is the same for each copy of a mail."""
    talk, _, place = sent.message_id.partition("@")[0].partition(".")
    return int(talk) * 7919 + int(place) * 104729


def get_address(name: str) -> str:
    """Return where a person of these mails is written to."""
    return f"person{PEOPLE.index(name)}@mail.example.org"


def encode_word(text: str) -> str:
    """Return a header's text by RFC 2047 if it needs to."""
    if text.isascii():
        return text
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


def encode_body(text: str, charset: str, encoding: str) -> bytes:
    """Return a text as it is sent in this charset and encoding."""
    sent = text.encode(charset, "replace")
    if encoding == "base64":
        return base64.encodebytes(sent)
    if encoding == "quoted-printable":
        return quopri.encodestring(sent)
    return sent


def attach(part: bytes, patch: bytes) -> bytes:
    """Return a mail's headers and parts with a patch beside the text."""
    return (
        b'Content-Type: multipart/mixed; boundary="=-cut"\n\n--=-cut\n'
        + part
        + b"--=-cut\nContent-Type: text/x-patch; name=fix.patch\n"
        b'Content-Disposition: attachment; filename="fix.patch"\n'
        b"Content-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(patch)
        + b"--=-cut--\n"
    )


def get_root_id(size: int) -> str:
    """Return the id of the first mail of a conversation of `SIZES`."""
    return f"{SIZES.index(size) + 1}.0@mail.example.org"


def generate(count: int, seed: int = SEED) -> Iterator[Copy]:
    """Give `count` mails, as bytes with sender and date of arrival."""
    document = DOCUMENT.read_text(encoding="utf-8")
    return Generator(count, seed, document).make()


def write(count: int, file: Path, seed: int = SEED) -> None:
    """Write `count` mails as one mbox (mboxrd)."""
    with file.open("wb") as stream:
        for piece in write_mboxrd(generate(count, seed)):
            stream.write(piece)


def main() -> int:
    """Write the mbox that the arguments name."""
    if len(sys.argv) != 3 or not sys.argv[1].isdecimal():  # noqa: PLR2004 - count and file
        print(__doc__, file=sys.stderr)
        return 2
    write(int(sys.argv[1]), Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
