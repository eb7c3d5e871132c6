"""mail and anchors: conversations, deliveries, quotes, anchors."""

import hashlib
import re
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MESSAGE = sa.table(
    "message",
    sa.column("id", sa.Integer()),
    sa.column("message_id", sa.String()),
    sa.column("list_id", sa.String()),
    sa.column("headers", sa.JSON()),
    sa.column("raw", sa.LargeBinary()),
    sa.column("body", sa.String()),
    sa.column("html", sa.String()),
    sa.column("packed_body", sa.LargeBinary()),
    sa.column("packed_html", sa.LargeBinary()),
    sa.column("references", sa.JSON()),
    sa.column("imported_at", sa.DateTime(timezone=True)),
)
DELIVERY = sa.table(
    "delivery",
    sa.column("id", sa.Integer()),
    sa.column("message_row_id", sa.Integer()),
    sa.column("sha256", sa.String()),
    sa.column("list_id", sa.String()),
    sa.column("is_archived", sa.Boolean()),
    sa.column("source", sa.String()),
    sa.column("size", sa.Integer()),
    sa.column("raw", sa.LargeBinary()),
    sa.column("imported_at", sa.DateTime(timezone=True)),
)

# the page of an archive had these headers alone
ARCHIVED = {"Subject", "From", "Date"}


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "conversation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
    )
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_conversation_last_at"), ["last_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_conversation_root"), ["root"], unique=False
        )

    op.create_table(
        "anchor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("annotation_id", sa.String(), nullable=True),
        sa.Column("thread_id", sa.Integer(), nullable=True),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("section_id", sa.Integer(), nullable=True),
        sa.Column("call_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("exact", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("suffix", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("rivals", sa.JSON(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation_id"],
            ["annotation.id"],
            name=op.f("fk_anchor_annotation_id_annotation"),
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["call.id"], name=op.f("fk_anchor_call_id_call")
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_anchor_reviewer_id_reviewer"),
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"],
            ["revision.id"],
            name=op.f("fk_anchor_revision_id_revision"),
        ),
        sa.ForeignKeyConstraint(
            ["section_id"],
            ["section.id"],
            name=op.f("fk_anchor_section_id_section"),
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["thread.id"],
            name=op.f("fk_anchor_thread_id_thread"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anchor")),
        sa.UniqueConstraint(
            "annotation_id",
            "revision_id",
            "position",
            name=op.f("uq_anchor_annotation_id_revision_id_position"),
        ),
        sa.UniqueConstraint(
            "thread_id",
            "revision_id",
            "position",
            name=op.f("uq_anchor_thread_id_revision_id_position"),
        ),
    )
    with op.batch_alter_table("anchor", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_anchor_call_id"), ["call_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_anchor_reviewer_id"), ["reviewer_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_anchor_revision_id"), ["revision_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_anchor_section_id"), ["section_id"], unique=False
        )
        batch_op.create_index(
            "ix_anchor_state", ["revision_id", "state"], unique=False
        )

    op.create_table(
        "attachment",
        sa.Column("message_row_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_row_id"],
            ["message.id"],
            name=op.f("fk_attachment_message_row_id_message"),
        ),
        sa.PrimaryKeyConstraint(
            "message_row_id", "position", name=op.f("pk_attachment")
        ),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_row_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("list_id", sa.String(), nullable=True),
        sa.Column("archived_at", sa.String(), nullable=True),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_row_id"],
            ["message.id"],
            name=op.f("fk_delivery_message_row_id_message"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("sha256", name=op.f("uq_delivery_sha256")),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_delivery_message_row_id"),
            ["message_row_id"],
            unique=False,
        )

    op.create_table(
        "mention",
        sa.Column(
            "digest", sa.BigInteger(), autoincrement=False, nullable=False
        ),
        sa.Column("message_row_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_row_id"],
            ["message.id"],
            name=op.f("fk_mention_message_row_id_message"),
        ),
        sa.PrimaryKeyConstraint(
            "digest", "message_row_id", name=op.f("pk_mention")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quote",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_row_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("reply_start", sa.Integer(), nullable=False),
        sa.Column("reply_end", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("section_id", sa.Integer(), nullable=True),
        sa.Column("call_id", sa.Integer(), nullable=True),
        sa.Column("annotation_id", sa.String(), nullable=True),
        sa.Column("reviewer_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["annotation_id"],
            ["annotation.id"],
            name=op.f("fk_quote_annotation_id_annotation"),
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["call.id"], name=op.f("fk_quote_call_id_call")
        ),
        sa.ForeignKeyConstraint(
            ["message_row_id"],
            ["message.id"],
            name=op.f("fk_quote_message_row_id_message"),
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_quote_reviewer_id_reviewer"),
        ),
        sa.ForeignKeyConstraint(
            ["section_id"],
            ["section.id"],
            name=op.f("fk_quote_section_id_section"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quote")),
        sa.UniqueConstraint(
            "message_row_id",
            "position",
            name=op.f("uq_quote_message_row_id_position"),
        ),
    )
    with op.batch_alter_table("quote", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_quote_annotation_id"),
            ["annotation_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_quote_call_id"), ["call_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_quote_reviewer_id"), ["reviewer_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_quote_section_id"), ["section_id"], unique=False
        )
        batch_op.create_index("ix_quote_state", ["state"], unique=False)

    op.create_table(
        "quote_candidate",
        sa.Column("quote_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("section_id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["call_id"],
            ["call.id"],
            name=op.f("fk_quote_candidate_call_id_call"),
        ),
        sa.ForeignKeyConstraint(
            ["quote_id"],
            ["quote.id"],
            name=op.f("fk_quote_candidate_quote_id_quote"),
        ),
        sa.ForeignKeyConstraint(
            ["section_id"],
            ["section.id"],
            name=op.f("fk_quote_candidate_section_id_section"),
        ),
        sa.PrimaryKeyConstraint(
            "quote_id", "position", name=op.f("pk_quote_candidate")
        ),
    )
    with op.batch_alter_table("quote_candidate", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_quote_candidate_call_id"), ["call_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_quote_candidate_section_id"),
            ["section_id"],
            unique=False,
        )

    with op.batch_alter_table("annotation", schema=None) as batch_op:
        batch_op.alter_column(
            "thread_id", existing_type=sa.INTEGER(), nullable=True
        )

    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "base_subject", sa.String(), nullable=False, server_default=""
            )
        )
        for name in ("is_reply", "is_parent_guessed", "is_cut"):
            batch_op.add_column(
                sa.Column(
                    name,
                    sa.Boolean(),
                    nullable=False,
                    server_default=sa.false(),
                )
            )
        for name in ("references", "trailers", "defects"):
            batch_op.add_column(
                sa.Column(name, sa.JSON(), nullable=False, server_default="[]")
            )
        batch_op.add_column(
            sa.Column(
                "charset", sa.String(), nullable=False, server_default=""
            )
        )
        for name in ("depth", "position"):
            batch_op.add_column(
                sa.Column(
                    name, sa.Integer(), nullable=False, server_default="0"
                )
            )
        for name in ("conversation_id", "parent_id", "aligned_to"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=True))
        for name in ("packed_body", "packed_html"):
            batch_op.add_column(
                sa.Column(name, sa.LargeBinary(), nullable=True)
            )
    _pack_messages(op.get_bind())
    with op.batch_alter_table("message", schema=None) as batch_op:
        for name in ("raw", "list_id", "body", "html"):
            batch_op.drop_column(name)
    with op.batch_alter_table("message", schema=None) as batch_op:
        for name in ("body", "html"):
            batch_op.alter_column(
                f"packed_{name}",
                new_column_name=name,
                existing_type=sa.LargeBinary(),
                nullable=False,
            )
        for name in (
            *("base_subject", "is_reply", "is_parent_guessed", "is_cut"),
            *("references", "trailers", "defects"),
            *("charset", "depth", "position"),
        ):
            batch_op.alter_column(name, server_default=None)
        for name in ("aligned_to", "base_subject", "parent_id", "sent_at"):
            batch_op.create_index(batch_op.f(f"ix_message_{name}"), [name])
        batch_op.create_index(
            "ix_message_conversation", ["conversation_id", "position"]
        )
        for name, table in (
            ("aligned_to", "revision"),
            ("conversation_id", "conversation"),
            ("parent_id", "message"),
        ):
            batch_op.create_foreign_key(
                batch_op.f(f"fk_message_{name}_{table}"), table, [name], ["id"]
            )

    with op.batch_alter_table("revision", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "source",
                sa.String(length=32),
                nullable=False,
                server_default="corpus",
            )
        )
        batch_op.add_column(
            sa.Column(
                "is_reference",
                sa.Boolean(),
                nullable=False,
                server_default=sa.false(),
            )
        )
        batch_op.add_column(
            sa.Column(
                "message_ids", sa.JSON(), nullable=False, server_default="[]"
            )
        )
        batch_op.add_column(
            sa.Column("reviewer_id", sa.Integer(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.create_index(
            batch_op.f("ix_revision_reviewer_id"),
            ["reviewer_id"],
            unique=False,
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_revision_reviewer_id_reviewer"),
            "reviewer",
            ["reviewer_id"],
            ["id"],
        )
    with op.batch_alter_table("revision", schema=None) as batch_op:
        for name in ("source", "is_reference", "message_ids"):
            batch_op.alter_column(name, server_default=None)


def _pack_messages(connection: sa.Connection) -> None:
    """Move the bytes to deliveries, and deflate what is long."""
    for (id_,) in connection.execute(sa.select(MESSAGE.c.id)).all():
        row = connection.execute(
            sa.select(MESSAGE).where(MESSAGE.c.id == id_)
        ).one()
        connection.execute(
            sa.insert(DELIVERY).values(
                message_row_id=id_,
                sha256=hashlib.sha256(row.raw).hexdigest(),
                list_id=row.list_id,
                is_archived={n for n, _ in row.headers} == ARCHIVED,
                source="",
                size=len(row.raw),
                raw=zlib.compress(row.raw),
                imported_at=row.imported_at,
            )
        )
        named = [v for n, v in row.headers if n.lower() == "references"]
        connection.execute(
            sa.update(MESSAGE)
            .where(MESSAGE.c.id == id_)
            .values(
                packed_body=zlib.compress(row.body.encode()),
                packed_html=zlib.compress(row.html.encode()),
                references=re.findall(r"<([^<>\s]+)>", " ".join(named)),
            )
        )


def _unpack_messages(connection: sa.Connection) -> None:
    for (id_,) in connection.execute(sa.select(MESSAGE.c.id)).all():
        packed = connection.execute(
            sa.select(MESSAGE.c.packed_body, MESSAGE.c.packed_html).where(
                MESSAGE.c.id == id_
            )
        ).one()
        delivery = connection.execute(
            sa.select(DELIVERY.c.raw, DELIVERY.c.list_id)
            .where(DELIVERY.c.message_row_id == id_)
            .order_by(DELIVERY.c.is_archived, DELIVERY.c.id)
            .limit(1)
        ).one()
        connection.execute(
            sa.update(MESSAGE)
            .where(MESSAGE.c.id == id_)
            .values(
                body=zlib.decompress(packed.packed_body).decode(),
                html=zlib.decompress(packed.packed_html).decode(),
                raw=zlib.decompress(delivery.raw),
                list_id=delivery.list_id,
            )
        )


def downgrade() -> None:
    """Go back to the one before."""
    with op.batch_alter_table("revision", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_revision_reviewer_id_reviewer"), type_="foreignkey"
        )
        batch_op.drop_index(batch_op.f("ix_revision_reviewer_id"))
        batch_op.drop_column("created_at")
        batch_op.drop_column("reviewer_id")
        batch_op.drop_column("message_ids")
        batch_op.drop_column("is_reference")
        batch_op.drop_column("source")

    with op.batch_alter_table("message", schema=None) as batch_op:
        for name, table in (
            ("aligned_to", "revision"),
            ("conversation_id", "conversation"),
            ("parent_id", "message"),
        ):
            batch_op.drop_constraint(
                batch_op.f(f"fk_message_{name}_{table}"), type_="foreignkey"
            )
        batch_op.drop_index("ix_message_conversation")
        for name in ("aligned_to", "base_subject", "parent_id", "sent_at"):
            batch_op.drop_index(batch_op.f(f"ix_message_{name}"))
        for name in ("body", "html"):
            batch_op.alter_column(
                name,
                new_column_name=f"packed_{name}",
                existing_type=sa.LargeBinary(),
                existing_nullable=False,
            )
    with op.batch_alter_table("message", schema=None) as batch_op:
        for name in ("body", "html"):
            batch_op.add_column(
                sa.Column(name, sa.String(), nullable=False, server_default="")
            )
        batch_op.add_column(sa.Column("list_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("raw", sa.LargeBinary(), nullable=True))
    _unpack_messages(op.get_bind())
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.alter_column("body", server_default=None)
        batch_op.alter_column("html", server_default=None)
        batch_op.alter_column(
            "raw", existing_type=sa.LargeBinary(), nullable=False
        )
        for name in (
            *("base_subject", "is_reply", "is_parent_guessed", "is_cut"),
            *("references", "trailers", "defects"),
            *("charset", "depth", "position"),
            *("conversation_id", "parent_id", "aligned_to"),
            *("packed_body", "packed_html"),
        ):
            batch_op.drop_column(name)

    # remarks on clauses belong to no thread, which the older form cannot say
    op.execute("DELETE FROM anchor")
    op.execute("DELETE FROM quote_candidate")
    op.execute("DELETE FROM quote")
    op.execute("DELETE FROM annotation WHERE thread_id IS NULL")
    with op.batch_alter_table("annotation", schema=None) as batch_op:
        batch_op.alter_column(
            "thread_id", existing_type=sa.INTEGER(), nullable=False
        )

    with op.batch_alter_table("quote_candidate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_quote_candidate_section_id"))
        batch_op.drop_index(batch_op.f("ix_quote_candidate_call_id"))

    op.drop_table("quote_candidate")
    with op.batch_alter_table("quote", schema=None) as batch_op:
        batch_op.drop_index("ix_quote_state")
        batch_op.drop_index(batch_op.f("ix_quote_section_id"))
        batch_op.drop_index(batch_op.f("ix_quote_reviewer_id"))
        batch_op.drop_index(batch_op.f("ix_quote_call_id"))
        batch_op.drop_index(batch_op.f("ix_quote_annotation_id"))

    op.drop_table("quote")
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_delivery_message_row_id"))

    op.drop_table("delivery")
    op.drop_table("mention")
    op.drop_table("attachment")
    with op.batch_alter_table("anchor", schema=None) as batch_op:
        batch_op.drop_index("ix_anchor_state")
        batch_op.drop_index(batch_op.f("ix_anchor_section_id"))
        batch_op.drop_index(batch_op.f("ix_anchor_revision_id"))
        batch_op.drop_index(batch_op.f("ix_anchor_reviewer_id"))
        batch_op.drop_index(batch_op.f("ix_anchor_call_id"))

    op.drop_table("anchor")
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conversation_root"))
        batch_op.drop_index(batch_op.f("ix_conversation_last_at"))

    op.drop_table("conversation")
