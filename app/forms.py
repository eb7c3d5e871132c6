"""What a form or an API call may send, as types that bound and refuse.

All text that a stranger sends goes through `Line` (one line) or `Text`
(Markdown and the like). Forms are read whole by `FormDep`, then checked by
`check_form`, so that a refused form can be shown again with all that was
typed.
"""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic import ValidationError as PydanticError
from starlette.datastructures import FormData

from app.models import Role, Scope, Severity, ThreadKind
from app.services.invitations import LONGEST_DAYS as INVITATION_DAYS
from app.services.lines import clean_line, clean_text
from app.services.passwords import LONGEST, SHORTEST
from app.services.reviewers import NAME_LENGTH
from app.services.tokens import LONGEST_DAYS as TOKEN_DAYS

LINE_LENGTH = 200
TEXT_LENGTH = 40_000
QUOTE_LENGTH = 2_000
SLUG_LENGTH = 120
FIELDS = 100
HINT_DIGITS = 9
LARGEST = 2**31 - 1


def require_some(value: str) -> str:
    """Refuse a text of nothing but white space."""
    if not value.strip():
        raise ValueError("this must not be empty")
    return value


def make_none(value: object) -> object:
    """Return None for a field that was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


def _read_hint(value: object) -> int | None:
    # nobody types it and little depends on it: a wrong one is none
    words = str(value)
    is_number = words.isascii() and words.isdigit()
    return int(words) if is_number and len(words) <= HINT_DIGITS else None


Line = Annotated[
    str, Field(max_length=LINE_LENGTH), AfterValidator(clean_line)
]
Text = Annotated[
    str, Field(max_length=TEXT_LENGTH), AfterValidator(clean_text)
]
FilledLine = Annotated[Line, AfterValidator(require_some)]
FilledText = Annotated[Text, AfterValidator(require_some)]
Quote = Annotated[
    str, Field(max_length=QUOTE_LENGTH), AfterValidator(clean_text)
]
Slug = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=SLUG_LENGTH)
]
MaybeLine = Annotated[Line | None, BeforeValidator(make_none)]
MaybeSlug = Annotated[Slug | None, BeforeValidator(make_none)]

AccountName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=NAME_LENGTH),
]
NewPassword = Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]

Typed = Mapping[str, str]


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields as they were typed, the last of each name."""
    await request.body()  # kept: a session that is opened later asks for it
    form: FormData = await request.form(max_files=0, max_fields=FIELDS)
    return {
        name: value for name, value in form.items() if isinstance(value, str)
    }


FormDep = Annotated[dict[str, str], Depends(read_form)]
FormModel = TypeVar("FormModel", bound=BaseModel)


def check_form(
    model: type[FormModel], typed: Typed
) -> tuple[FormModel | None, dict[str, str]]:
    """Return the checked form, or None and what is wrong in each field."""
    try:
        return model.model_validate(typed), {}
    except PydanticError as error:
        wrong: dict[str, str] = {}
        for one in error.errors(include_url=False, include_input=False):
            name = str(one["loc"][0]) if one["loc"] else ""
            wrong.setdefault(name, describe_error(one["type"], one["msg"]))
        return None, wrong


def describe_error(type_: str, message: str) -> str:
    """Return Pydantic's message as a reader may want it."""
    if type_ == "missing":
        return "this is required"
    return message.removeprefix("Value error, ")


def split_names(value: str) -> tuple[str, ...]:
    """Return the names in a line, parted by commas or spaces, each once."""
    return tuple(dict.fromkeys(re.findall(r"[^,\s]+", value)))


class SignInForm(BaseModel):
    """A name, its password, and where to go after."""

    name: FilledLine
    password: Annotated[str, Field(min_length=1, max_length=1024)]
    next: Line = "/"


class NameForm(BaseModel):
    """What somebody is called."""

    display_name: FilledLine


class PasswordForm(BaseModel):
    """Another password; the present one, if there is one, proves who asks."""

    current: Annotated[str, Field(max_length=LONGEST)] = ""
    password: NewPassword


class TokenForm(BaseModel):
    """A token to be made."""

    name: FilledLine
    scope: Scope
    days: Annotated[int, Field(ge=1, le=TOKEN_DAYS)]


class JoinForm(BaseModel):
    """The account that somebody who was invited wants."""

    name: AccountName
    password: NewPassword


class InvitationForm(BaseModel):
    """An invitation to be made."""

    role: Role
    note: Line = ""
    days: Annotated[int, Field(ge=1, le=INVITATION_DAYS)]


class RoleForm(BaseModel):
    """Another role of an account."""

    role: Role


class MemberForm(BaseModel):
    """An account that may read a private review."""

    name: FilledLine


class ReplyForm(BaseModel):
    """A reply to a thread, or to one of its posts."""

    text: FilledText
    parent: MaybeSlug = None


class ThreadForm(BaseModel):
    """A new thread, and what it speaks of."""

    title: FilledLine
    kind: ThreadKind
    severity: Severity
    text: FilledText
    calls: Line = ""
    section: MaybeSlug = None
    quote: Quote = ""
    start: Annotated[int | None, BeforeValidator(_read_hint)] = None


class EditForm(BaseModel):
    """Other words for a passage."""

    section: Slug
    quote: Annotated[Quote, AfterValidator(require_some)]
    text: FilledText
    start: Annotated[int | None, BeforeValidator(_read_hint)] = None


class CommentIn(BaseModel):
    """A comment that a program sends."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        FilledText,
        Field(
            description="Markdown.",
            examples=["An NMI can arrive **between** the two steps."],
        ),
    ]
    parent: Annotated[
        Slug | None,
        Field(
            description="The post that is answered; the thread itself if "
            "it is left out.",
            examples=["019ac5b2-6f2e-7c31-9c39-0c1a4ad5c7aa"],
        ),
    ] = None
