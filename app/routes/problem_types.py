"""The kinds of problem: what each means, and what whoever meets it can do.

Each has an address, which is the `type` of the problems of its kind (RFC
9457) and a page. A kind is named once, for good. Most are known by their
status; of one status the first is meant unless another is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

BLANK = "about:blank"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind: `slug` ends its address, `remedy` says how to go on.

    Both `meaning` and `remedy` are Markdown.
    """

    slug: str
    status: HTTPStatus
    title: str
    meaning: str
    remedy: str


TYPES = (
    ProblemType(
        "malformed",
        HTTPStatus.BAD_REQUEST,
        "The request cannot be read",
        "The body is not what its Content-Type says, or a header or the "
        "address is not written as it must be.",
        "Mend the place that `detail` or `errors` names.",
    ),
    ProblemType(
        "sign-in",
        HTTPStatus.UNAUTHORIZED,
        "Sign in first",
        "Nobody is signed in and no token was sent, or the token is unknown, "
        "has expired or was revoked.",
        "Send `Authorization: Bearer TOKEN` with a token that is good, or "
        "sign in in the browser.",
    ),
    ProblemType(
        "forbidden",
        HTTPStatus.FORBIDDEN,
        "This is not allowed",
        "The reviewer's role, the token's scope or the site that the "
        "request was sent from does not allow it.",
        "Ask somebody whose role allows it, or make a token of a wider scope.",
    ),
    ProblemType(
        "not-found",
        HTTPStatus.NOT_FOUND,
        "Nothing is there",
        "No such thing is at the address, or what the body names is not "
        "there, or not for whoever asks.",
        "Follow links instead of making addresses up.",
    ),
    ProblemType(
        "method",
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The address does not take this method",
        "Something is at the address, but it is not asked this way.",
        "Use a method that the `Allow` header lists.",
    ),
    ProblemType(
        "not-acceptable",
        HTTPStatus.NOT_ACCEPTABLE,
        "There is no such form",
        "The `Accept` header names none of the forms that there are.",
        "Ask for a form that `detail` lists, or send no `Accept`.",
    ),
    ProblemType(
        "too-slow",
        HTTPStatus.REQUEST_TIMEOUT,
        "The request came too slowly",
        "The body did not arrive in the time that is allowed for it.",
        "Send it again over a better connection.",
    ),
    ProblemType(
        "conflict",
        HTTPStatus.CONFLICT,
        "It does not fit what is there",
        "The change contradicts the present state, or a value that only "
        "this service sets.",
        "Read what is there now and decide anew.",
    ),
    ProblemType(
        "under-way",
        HTTPStatus.CONFLICT,
        "The first request is still under way",
        "A request with the same `Idempotency-Key` has not been answered yet.",
        "Send it again after the seconds that `Retry-After` names.",
    ),
    ProblemType(
        "gone",
        HTTPStatus.GONE,
        "It was deleted",
        "There was something at this address; it was deleted, and the "
        "address is never given away again.",
        "Forget the address.",
    ),
    ProblemType(
        "changed-since",
        HTTPStatus.PRECONDITION_FAILED,
        "Somebody else was faster",
        "What was to be changed is another version now than `If-Match` "
        "names. `draft` is the text that was sent, `tag` the version that "
        "is there.",
        "Read the present version, join the draft with it, and send it with "
        "the new tag.",
    ),
    ProblemType(
        "too-large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body is too large",
        "More was sent than this address takes.",
        "Send less at a time; `detail` tells the bound.",
    ),
    ProblemType(
        "media-type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "This kind of body is not understood",
        "The Content-Type is none of those that this address takes.",
        "Send one that the `Accept` header of the answer lists.",
    ),
    ProblemType(
        "invalid",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A part of it is refused",
        "The request can be read, but a part of it is not as it must be.",
        "`errors` names each refused part by a JSON Pointer or a parameter, "
        "and says what was expected.",
    ),
    ProblemType(
        "key-reused",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The key belongs to another request",
        "The `Idempotency-Key` was sent before with another body.",
        "Make a new key for each request; repeat a request with its own.",
    ),
    ProblemType(
        "version-required",
        HTTPStatus.PRECONDITION_REQUIRED,
        "The change must name its version",
        "This service takes no change that does not say which version it "
        "was made from.",
        "Read it, and send its `ETag` as `If-Match`.",
    ),
    ProblemType(
        "too-many",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests",
        "More was asked in a short time than one reviewer or one address "
        "may ask.",
        "Wait for the seconds that `Retry-After` names.",
    ),
    ProblemType(
        "failed",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The program failed",
        "It is at fault, not the request. Nothing was changed.",
        "Try once more; tell the operator the request's id, `X-Request-ID`.",
    ),
    ProblemType(
        "busy",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too much is asked at once",
        "All that the service can do at a time is being done.",
        "Come back after the seconds that `Retry-After` names.",
    ),
)
BY_SLUG: Mapping[str, ProblemType] = {kind.slug: kind for kind in TYPES}
BY_STATUS: Mapping[int, ProblemType] = {
    kind.status: kind for kind in reversed(TYPES)
}
EXTRAS: Mapping[str, str] = {
    "draft": "The text that was sent, when its change was refused.",
    "tag": "The entity tag of the version that is there now.",
}


def find_type(status: int, slug: str = "") -> ProblemType | None:
    """Return the kind of a problem; None if it has none of its own."""
    return BY_SLUG[slug] if slug else BY_STATUS.get(status)
