"""The program `vmi-review`: its commands, their options and their help.

What a command does stands in `app.commands`, a module a noun. These are
loaded when they are called, so that asking for help does not wait for the
simulator, the database and the web server.
"""

import gc
import inspect
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli_accounts import member, reviewer, token
from app.commands.settings import load_command, read_settings
from app.config import Settings
from app.errors import CommandError, ReviewError

HELP = """An interface review that you can run.

Settings are read from VMI_REVIEW_… variables; they are the options of
`serve`, in capitals: --database-url is VMI_REVIEW_DATABASE_URL."""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
export = typer.Typer(no_args_is_help=True, help="Write a record to a file.")
app.add_typer(export, name="export")
app.add_typer(reviewer, name="reviewer")
app.add_typer(token, name="token")
app.add_typer(member, name="member")


class Format(StrEnum):
    """The forms of an export."""

    md = "md"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


class KindName(StrEnum):
    """What can be found, as the models name it."""

    mail = "mail"
    thread = "thread"
    annotation = "annotation"
    section = "section"
    call = "call"
    scenario = "scenario"
    run = "run"
    decision = "decision"


class OrderName(StrEnum):
    """In which order what is found is printed."""

    newest = "newest"
    best = "best"


def main() -> None:
    """Run the command that was typed; refusals are a line, and no trace."""
    try:
        app()
    except CommandError as error:
        typer.echo(f"vmi-review: {error}", err=True)
        sys.exit(error.status)
    except ReviewError as error:
        typer.echo(f"vmi-review: {error}", err=True)
        sys.exit(1)


def take_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each setting."""
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                bool | None if field.annotation is bool else str | None,
                typer.Option(
                    help=f"{field.description}.",
                    show_default=str(field.default) or "none",
                    metavar=None if field.annotation is bool else "VALUE",
                ),
            ],
        )
        for name, field in Settings.model_fields.items()
    ]
    vars(function)["__signature__"] = inspect.Signature(options)
    return function


@app.command()
@take_settings
def serve(**given: str | bool | None) -> None:
    """Serve the review; the first start loads the bundled corpus."""
    # what is loaded now lives as long as the program: the collector would
    # go through it in vain; `settle_memory` switches it on again
    gc.disable()
    load_command("server").serve(read_settings(given))


@app.command()
@take_settings
def check(**given: str | bool | None) -> None:
    """Tell what is unsafe in the settings, files and accounts."""
    load_command("check").check(read_settings(given))


@app.command()
def load() -> None:
    """Load the bundled corpus, or what has changed in it."""
    load_command("corpus").load(read_settings())


@app.command()
def verify(
    head: Annotated[
        str, typer.Option(help="Hash of an earlier head to look for too.")
    ] = "",
) -> None:
    """Recompute the event log; name the first entry that does not hold."""
    load_command("log").verify(read_settings(), head)


@app.command()
def explore(  # noqa: PLR0913 - an option each
    question: Annotated[
        str,
        typer.Argument(
            metavar="SLUG_OR_FILE",
            help="Name of a bundled question, or a scenario file.",
        ),
    ],
    platform: Annotated[
        list[str] | None,
        typer.Option(help="Only on this platform; may be repeated."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Under this policy; may be repeated.",
        ),
    ] = None,
    states: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The most states of a search.  [default: 100000]",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="The longest it may take.  [default: as run-seconds is set]",
        ),
    ] = None,
    *,
    product: Annotated[
        bool,
        typer.Option(
            "--product",
            help="Print on which policies the answers depend.",
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole report.")
    ] = False,
) -> None:
    """Answer a question by exploring all its executions."""
    command = load_command("question")
    limits = command.read_limits(read_settings(), states, seconds)
    asked = (limits, question, platform or [], policy or [])
    if product:
        load_command("product").explore_product(*asked, as_json=json)
    else:
        command.explore(*asked, as_json=json)


@app.command()
def diet(
    platform: Annotated[
        str, typer.Option(help="The platform to weigh the calls on.")
    ] = "software",
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print the whole result.")
    ] = False,
) -> None:
    """Find which calls can be dropped without changing any answer."""
    load_command("diet").diet(read_settings(), platform, as_json=json)


@app.command()
def align() -> None:
    """Find what the mails quote, those that are not done yet."""
    load_command("quotes").align(read_settings())


@export.command("decisions")
def export_decisions(
    format_: Annotated[
        Format, typer.Option("--format", help="Form of the file.")
    ] = Format.md,
) -> None:
    """Print the decision log, as /decisions.FORMAT answers it."""
    load_command("log").export_decisions(read_settings(), format_.value)


@export.command("mbox")
def export_mbox(
    file: Annotated[
        Path,
        typer.Argument(help="Where to write; packed if it ends in .gz."),
    ],
    conversation: Annotated[
        str,
        typer.Option(
            metavar="MESSAGE-ID",
            help="Only the conversation of this mail.  [default: all mails]",
        ),
    ] = "",
) -> None:
    """Write the mails as they came, as one mbox (mboxrd)."""
    load_command("mail_export").export_mbox(
        read_settings(), file, conversation.strip("<> ") or None
    )


@app.command("import")
def import_mails(  # noqa: PLR0913 - an option each
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…",
            help="Mails (.eml), mboxes, both packed or not, pages of an "
            "archive as text, Maildirs, folders of these; - reads from "
            "the standard input.",
        ),
    ],
    *,
    mboxo: Annotated[
        bool,
        typer.Option(
            "--mboxo",
            help="The mboxes hide `From ` lines in the older way: of "
            "several `>` none is taken off.",
        ),
    ] = False,
    align: Annotated[
        bool,
        typer.Option(
            "--align/--no-align",
            help="Find what the mails quote of the document, as "
            "`vmi-review align` does; a server that runs does it too.",
        ),
    ] = True,
    as_revision: Annotated[
        bool,
        typer.Option(
            "--as-revision",
            help="Take the arguments for Message-IDs of stored mails, and "
            "print the document that they hold.",
        ),
    ] = False,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="With --as-revision: keep it for mails that quote it, only.",
        ),
    ] = False,
    change: Annotated[
        str,
        typer.Option(help="With --as-revision: what changed, in a line."),
    ] = "",
    commit: Annotated[
        bool,
        typer.Option(
            "--commit", help="With --as-revision: keep it, print nothing."
        ),
    ] = False,
) -> None:
    """Store mails as they were received; those that are known stay."""
    if as_revision:
        load_command("revision").import_as_revision(
            read_settings(),
            paths,
            reference=reference,
            change=change,
            commit=commit,
        )
        return
    if reference or change or commit:
        raise CommandError(
            "--reference, --change and --commit go with --as-revision",
            status=2,
        )
    load_command("mail").import_mails(
        read_settings(), paths, mboxo=mboxo, align=align
    )


# what begins with a hyphen is left out of what is found
@app.command(context_settings={"ignore_unknown_options": True})
def search(
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERY...",
            help="Words, phrases and fields, as on the search page.",
        ),
    ],
    kind: Annotated[
        KindName | None, typer.Option(help="Only what is of this kind.")
    ] = None,
    order: Annotated[
        OrderName | None,
        typer.Option(help="The latest first, or what fits best."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="How many at most.")
    ] = 10,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each.")
    ] = False,
) -> None:
    """Search everything: mails, threads, the document, calls, questions."""
    load_command("search").find(
        read_settings(),
        query,
        kind.value if kind else None,
        order.value if order else None,
        limit,
        as_json=json,
    )


@app.command()
def reindex() -> None:
    """Make the search index anew."""
    load_command("search").reindex(read_settings())
