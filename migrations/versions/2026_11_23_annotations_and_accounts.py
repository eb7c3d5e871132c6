"""annotations and accounts: containers, stances, members, invitations."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("invited_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewer_id", sa.Integer(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["invited_by"],
            ["reviewer.id"],
            name=op.f("fk_invitation_invited_by_reviewer"),
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_invitation_reviewer_id_reviewer"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitation_digest")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_invitation_invited_by"),
            ["invited_by"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_invitation_reviewer_id"),
            ["reviewer_id"],
            unique=False,
        )

    op.create_table(
        "member",
        sa.Column("proposal_id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            ["proposal.id"],
            name=op.f("fk_member_proposal_id_proposal"),
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_member_reviewer_id_reviewer"),
        ),
        sa.PrimaryKeyConstraint(
            "proposal_id", "reviewer_id", name=op.f("pk_member")
        ),
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_member_reviewer_id"), ["reviewer_id"], unique=False
        )

    op.create_table(
        "oidc_identity",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_oidc_identity_reviewer_id_reviewer"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_identity")),
        sa.UniqueConstraint(
            "issuer", "subject", name=op.f("uq_oidc_identity_issuer_subject")
        ),
    )
    with op.batch_alter_table("oidc_identity", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_oidc_identity_reviewer_id"),
            ["reviewer_id"],
            unique=False,
        )

    op.create_table(
        "stored_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_stored_answer_reviewer_id_reviewer"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_answer")),
        sa.UniqueConstraint(
            "reviewer_id",
            "route",
            "key",
            name=op.f("uq_stored_answer_reviewer_id_route_key"),
        ),
    )
    with op.batch_alter_table("stored_answer", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_stored_answer_created_at"),
            ["created_at"],
            unique=False,
        )

    op.create_table(
        "annotation_tag",
        sa.Column("annotation_id", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation_id"],
            ["annotation.id"],
            name=op.f("fk_annotation_tag_annotation_id_annotation"),
        ),
        sa.PrimaryKeyConstraint(
            "annotation_id", "tag", name=op.f("pk_annotation_tag")
        ),
    )
    with op.batch_alter_table("annotation_tag", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_annotation_tag_tag"), ["tag"], unique=False
        )

    op.create_table(
        "stance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("thread_id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("value", sa.String(length=32), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("annotation_id", sa.String(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation_id"],
            ["annotation.id"],
            name=op.f("fk_stance_annotation_id_annotation"),
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_stance_reviewer_id_reviewer"),
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["thread.id"],
            name=op.f("fk_stance_thread_id_thread"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stance")),
        sa.UniqueConstraint(
            "thread_id",
            "reviewer_id",
            name=op.f("uq_stance_thread_id_reviewer_id"),
        ),
    )
    with op.batch_alter_table("stance", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_stance_annotation_id"),
            ["annotation_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_stance_reviewer_id"), ["reviewer_id"], unique=False
        )

    with op.batch_alter_table("annotation", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "container", sa.String(), nullable=False, server_default=""
            )
        )
        batch_op.add_column(
            sa.Column("source", sa.String(), nullable=False, server_default="")
        )
        batch_op.add_column(
            sa.Column(
                "version", sa.Integer(), nullable=False, server_default="1"
            )
        )
        batch_op.add_column(
            sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(
            sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.create_index(
            batch_op.f("ix_annotation_source"), ["source"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_annotation_modified_at"),
            ["modified_at"],
            unique=False,
        )
        batch_op.create_index(
            "ix_annotation_listed",
            ["deleted_at", "created_at", "id"],
            unique=False,
        )

    with op.batch_alter_table("proposal", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "is_private",
                sa.Boolean(),
                nullable=False,
                server_default=sa.false(),
            )
        )

    with op.batch_alter_table("reviewer", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True)
        )

    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("means", sa.String(), nullable=False, server_default="")
        )
        batch_op.add_column(
            sa.Column(
                "address", sa.String(), nullable=False, server_default=""
            )
        )
        batch_op.add_column(
            sa.Column("agent", sa.String(), nullable=False, server_default="")
        )
        batch_op.add_column(
            sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True)
        )

    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "scope",
                sa.String(length=32),
                nullable=False,
                server_default="admin",
            )
        )
        batch_op.add_column(
            sa.Column("start", sa.String(), nullable=False, server_default="")
        )
        batch_op.add_column(
            sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(
            sa.Column("used_at", sa.DateTime(timezone=True), nullable=True)
        )


def downgrade() -> None:
    """Go back to the one before."""
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.drop_column("used_at")
        batch_op.drop_column("expires_at")
        batch_op.drop_column("start")
        batch_op.drop_column("scope")

    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        batch_op.drop_column("seen_at")
        batch_op.drop_column("agent")
        batch_op.drop_column("address")
        batch_op.drop_column("means")

    with op.batch_alter_table("reviewer", schema=None) as batch_op:
        batch_op.drop_column("disabled_at")

    with op.batch_alter_table("proposal", schema=None) as batch_op:
        batch_op.drop_column("is_private")

    with op.batch_alter_table("annotation", schema=None) as batch_op:
        batch_op.drop_index("ix_annotation_listed")
        batch_op.drop_index(batch_op.f("ix_annotation_modified_at"))
        batch_op.drop_index(batch_op.f("ix_annotation_source"))
        batch_op.drop_column("deleted_at")
        batch_op.drop_column("modified_at")
        batch_op.drop_column("version")
        batch_op.drop_column("source")
        batch_op.drop_column("container")

    with op.batch_alter_table("stance", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stance_reviewer_id"))
        batch_op.drop_index(batch_op.f("ix_stance_annotation_id"))

    op.drop_table("stance")
    with op.batch_alter_table("annotation_tag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_annotation_tag_tag"))

    op.drop_table("annotation_tag")
    with op.batch_alter_table("stored_answer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stored_answer_created_at"))

    op.drop_table("stored_answer")
    with op.batch_alter_table("oidc_identity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_oidc_identity_reviewer_id"))

    op.drop_table("oidc_identity")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_reviewer_id"))

    op.drop_table("member")
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitation_reviewer_id"))
        batch_op.drop_index(batch_op.f("ix_invitation_invited_by"))

    op.drop_table("invitation")
