"""run answers: what lists show of a report, without its executions."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RUN = sa.table(
    "run",
    sa.column("id", sa.String()),
    sa.column("report", sa.JSON()),
    sa.column("answers", sa.JSON()),
)
WAYS = ("witness", "counter")


def upgrade() -> None:
    """Go to this revision."""
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "answers", sa.JSON(), nullable=False, server_default="{}"
            )
        )
    connection = op.get_bind()
    for (run_id,) in connection.execute(sa.select(RUN.c.id)).all():
        # one at a time, for reports are large
        report = connection.execute(
            sa.select(RUN.c.report).where(RUN.c.id == run_id)
        ).scalar_one()
        connection.execute(
            sa.update(RUN)
            .where(RUN.c.id == run_id)
            .values(answers=drop_executions(report))
        )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.alter_column("answers", server_default=None)


def drop_executions(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report in which the executions are told as yes or no."""
    told: dict[str, Any] = json.loads(json.dumps(report))
    for part in told["platforms"]:
        part.pop("initial", None)
        for answer in part["answers"].values():
            answer.update({way: bool(answer.get(way)) for way in WAYS})
    return told


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_column("answers")
