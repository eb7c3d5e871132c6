"""Sets of mails at random, as hostile as threads may be; made from a seed.

Many small sets go into one mailbox: each has ids and subjects of its own, so
none touches another, and one answer of the oracle tells of all.
"""

import base64
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.oracles.dovecot import Arrival

START = datetime(2006, 3, 22, tzinfo=UTC)
ARRIVAL = datetime(2006, 4, 1, tzinfo=UTC)
ZONES = ("GMT", "EST", "PDT", "A", "j", "K", "N", "Y", "Z", "MEZ", "", "UT")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BROKEN_DATES = (None, "", "soon", "32 Foo 2006", format_datetime(EPOCH))
SETS = 60
MOST_MAILS = 9
MOST_IDS = 7
HOURS = 5


def make_source(seed: int) -> random.Random:
    """Return what chooses at random, the same for the same seed."""
    return random.Random(seed)  # noqa: S311 - no secret


def make_mailbox(seed: int, sets: int = SETS) -> list[Arrival]:
    """Return the mails of many small sets, one set's after another's."""
    rng = make_source(seed)
    return [
        mail
        for number in range(sets)
        for mail in _make_set(rng, f"{seed}x{number}", MOST_MAILS, MOST_IDS)
    ]


def make_crowd(seed: int, mails: int, ids: int) -> list[Arrival]:
    """Return the mails of one large set."""
    return _make_set(make_source(seed), f"{seed}x", mails, ids)


def make_chain(seed: int, length: int) -> list[Arrival]:
    """Return a chain of answers in any order; each names the one above."""
    order = list(range(length))
    make_source(seed).shuffle(order)
    return [
        write_mail(
            name=str(number),
            message_id=f"<{number}@chain>",
            references=f"<{number - 1}@chain>" if number else None,
        )
        for number in order
    ]


def _make_set(
    rng: random.Random, name: str, mails: int, ids: int
) -> list[Arrival]:
    named = [f"<{n}.{name}@x>" for n in range(rng.randint(1, ids))]
    subjects = rng.choice(_list_subjects(name))
    dates = [START + timedelta(hours=n) for n in range(HOURS)]
    broken = rng.random() < 1 / 3
    return [
        write_mail(
            name=f"{name} {number}",
            message_id=_choose(rng, named, 0.9),
            references=_name_some(rng, named, (0, 0, 0, 1, 1, 2, 3, 5)),
            in_reply_to=_name_some(rng, named, (0, 0, 0, 1, 1, 2)),
            subject=rng.choice(subjects),
            date=rng.choice(BROKEN_DATES)
            if broken and rng.random() < 1 / 2
            else _write_date(rng, dates),
            at=ARRIVAL + timedelta(minutes=rng.randrange(HOURS)),
        )
        for number in range(rng.randint(1, mails))
    ]


def _choose(
    rng: random.Random, among: Sequence[str], chance: float
) -> str | None:
    return rng.choice(among) if rng.random() < chance else None


def _name_some(
    rng: random.Random, named: Sequence[str], counts: Sequence[int]
) -> str | None:
    count = rng.choice(counts)
    between = rng.choice((" ", " ", "\r\n ", "\r\n\t", ""))
    return between.join(rng.choices(named, k=count)) if count else None


def _write_date(rng: random.Random, dates: Sequence[datetime]) -> str:
    zone = timedelta(hours=rng.randint(-11, 13))
    at = rng.choice(dates) + zone
    hours, sign = abs(zone) // timedelta(hours=1), "-+"[zone >= timedelta()]
    return f"{at:%a, %d %b %Y %H:%M:%S} {sign}{hours:02}00"


def _list_subjects(name: str) -> list[list[str | None]]:
    """Return families of subjects; of each, some have a base in common."""
    word = f"s{name}"
    return [
        [word],
        [word, f"Re: {word}"],
        [f"Re: {word}"],
        [None, "", "Re:", "Re: [list]\t Fwd:", word],
        [word, word.upper(), f"RE :{word}", f"[list] re: [x] {word}", None],
        [f"[PATCH 1/2] {word}", f"Re: [PATCH 1/2] {word}", f"[a][b] {word}"],
        [f"{word} (fwd)", f"Fw: {word}", f"[Fwd: Re: {word}]", word],
        [f"{word}  two", f"Re: {word}\r\n two", f"{word}\ttwo", f"{word} tw"],
        [_encode(f"Re: {word} grüße"), f"{word} {_encode('GRÜSSE')}"],
        [_encode(f"{word} ÄÉ"), f"Re: {_quote(f'{word} äé')}", f"{word} ae"],
        [_encode(f"\uff32\uff45: {word}"), word, _encode(f"Re:\u00a0{word}")],
        [f"[{word}]", f"Re: [{word}]", f"[x] [{word}]"],
    ]


def _encode(text: str) -> str:
    return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


def _quote(text: str) -> str:
    shown = "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"={byte:02X}"
        for byte in text.encode("latin-1")
    )
    return f"=?iso-8859-1?q?{shown}?="


def make_dated(seed: int) -> list[Arrival]:
    """Return answers to one mail, dated in all the forms there are."""
    rng = make_source(seed)
    forms = [
        f"{day}{{at:%d %b %Y %H:%M}}{second} {zone}"
        for day in ("", "{at:%a}, ", "(on) {at:%a}, ", "{at:%a} (the) , ")
        for second in (":00", "", ":{at:%S} (by \\) my (slow)) ")
        for zone in ("+0930", "-0800 (PST)", *ZONES)
    ]
    rng.shuffle(forms)
    ages = rng.sample(range(len(forms)), len(forms))
    mails = [
        write_mail(
            name=f"{number}",
            message_id=f"<{number}.dated@x>",
            references="<top.dated@x>",
            date=form.format(at=START + timedelta(minutes=7 * age)),
        )
        for number, (form, age) in enumerate(zip(forms, ages, strict=True))
    ]
    leap = "Sat, 31 Dec 2005 23:59:60 +0000"
    return [*mails, write_mail(name="leap", message_id="<l@x>", date=leap)]


def write_mail(
    *,
    name: str,
    message_id: str | None = None,
    references: str | None = None,
    in_reply_to: str | None = None,
    subject: str | None = None,
    date: str | None = None,
    at: datetime = ARRIVAL,
) -> Arrival:
    """Return a mail; `name` is its text, and tells it from the others."""
    fields = {
        "From": "Ada <ada@example.org>",
        "Message-ID": message_id,
        "References": references,
        "In-Reply-To": in_reply_to,
        "Subject": subject,
        "Date": date,
    }
    head = "".join(
        f"{field}: {value}\r\n"
        for field, value in fields.items()
        if value is not None
    )
    return Arrival(f"{head}\r\n{name}\r\n".encode(), at)
