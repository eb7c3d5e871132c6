"""saved scenarios: those that reviewers keep beside the corpus."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "saved_scenario",
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reviewer_id"],
            ["reviewer.id"],
            name=op.f("fk_saved_scenario_reviewer_id_reviewer"),
        ),
        sa.ForeignKeyConstraint(
            ["scenario_id"],
            ["scenario.id"],
            name=op.f("fk_saved_scenario_scenario_id_scenario"),
        ),
        sa.PrimaryKeyConstraint("scenario_id", name=op.f("pk_saved_scenario")),
    )
    with op.batch_alter_table("saved_scenario", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_saved_scenario_reviewer_id"),
            ["reviewer_id"],
            unique=False,
        )


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("saved_scenario", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_saved_scenario_reviewer_id"))
    op.drop_table("saved_scenario")
