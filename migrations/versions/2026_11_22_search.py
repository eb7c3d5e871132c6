"""search: what can be found, the engine's own index, searches kept by name.

The index is filled by the program, at its next start, for what is searched of
a text is said there alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "search_item",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_item")),
        sa.UniqueConstraint(
            "kind", "ref", name=op.f("uq_search_item_kind_ref")
        ),
    )
    op.create_table(
        "search_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_state")),
    )
    op.create_table(
        "saved_search",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_saved_search_reviewer_id_reviewer"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_search")),
        sa.UniqueConstraint("slug", name=op.f("uq_saved_search_slug")),
    )
    with op.batch_alter_table("saved_search", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_saved_search_reviewer_id"),
            ["reviewer_id"],
            unique=False,
        )
    if op.get_bind().dialect.name == "sqlite":
        # no copy of the texts; what is parted by spaces is a term already
        op.execute(
            "CREATE VIRTUAL TABLE search_text USING fts5(title, sender, "
            "recipients, copied, own, quoted, names, facts, content='', "
            "tokenize='ascii')"
        )
    else:
        op.execute(
            "CREATE TABLE search_text (id bigint NOT NULL, terms tsvector "
            "NOT NULL, CONSTRAINT pk_search_text PRIMARY KEY (id))"
        )
        op.execute(
            "CREATE INDEX ix_search_text_terms ON search_text "
            "USING gin (terms)"
        )


def downgrade() -> None:
    """Go back to the revision before."""
    op.execute("DROP TABLE search_text")
    with op.batch_alter_table("saved_search", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_saved_search_reviewer_id"))
    op.drop_table("saved_search")
    op.drop_table("search_state")
    op.drop_table("search_item")
