"""Who may do what: one row for each route of the application.

The gate (`app.gate`) reads this table and nothing else decides by role or
scope, but for one form that keeps what was typed (`create_question`). A
route without a row stops `create_app`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.models import Role, Scope


class Budget(StrEnum):
    """Which limit a request counts against (see `services.rate_limits`)."""

    reads = "reads"
    writes = "writes"
    sign_ins = "sign-ins"
    imports = "imports"
    runs = "runs"
    none = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """What it takes to be let in.

    Parameters
    ----------
    role
        The least role; None lets everybody in who may read the review.
    scope
        What a token must be good for, if one is sent.
    budget
        The limit that it counts against.
    is_open
        Whether it is there for those, too, who may not read a private
        review: signing in, one's own account, what runs the site.
    """

    role: Role | None
    scope: Scope = Scope.read
    budget: Budget = Budget.reads
    is_open: bool = False


READ = Policy(None)
RUN = Policy(None, budget=Budget.runs)
CANCEL = Policy(None, budget=Budget.writes)
"""The explorer refuses who neither asked the run nor is an editor."""

WRITE = Policy(Role.reviewer, Scope.annotate, Budget.writes)
WRITE_FORM = Policy(Role.reviewer, Scope.annotate)
EDIT = Policy(Role.editor, Scope.edit, Budget.writes)
EDIT_FORM = Policy(Role.editor, Scope.edit)
UPLOAD = Policy(Role.editor, Scope.edit, Budget.imports)
OPEN = Policy(None, is_open=True)
SIGN_IN = Policy(None, budget=Budget.sign_ins, is_open=True)
OWN = Policy(Role.reader, Scope.admin, is_open=True)
OWN_CHANGE = Policy(Role.reader, Scope.admin, Budget.writes, is_open=True)
ADMINISTER = Policy(Role.administrator, Scope.admin)
ADMINISTER_CHANGE = Policy(Role.administrator, Scope.admin, Budget.writes)
UNKNOWN = Policy(None)
"""Of an address that is no route: the site's answer, if one may see it."""

POLICIES: Mapping[str, Policy] = {
    # the site
    "static": Policy(None, budget=Budget.none, is_open=True),
    "health": Policy(None, budget=Budget.none, is_open=True),
    "openapi": READ,
    "show_reference": READ,
    "show_document_markdown": READ,
    "show_call_markdown": READ,
    "show_thread_markdown": READ,
    "show_thread_annotations": READ,
    "show_decision_markdown": READ,
    "read_document": READ,
    "export_lines": READ,
    "import_lines": WRITE,
    "list_problems": OPEN,
    "show_context": OPEN,
    "show_terms": OPEN,
    "show_problem": OPEN,
    "show_home": READ,
    "list_entries": READ,
    "follow_events": READ,
    # accounts
    "new_sign_in": OPEN,
    "create_sign_in": SIGN_IN,
    "use_sign_in_link": SIGN_IN,
    "consume_sign_in_link": SIGN_IN,
    "delete_sign_in": Policy(None, budget=Budget.writes, is_open=True),
    # clients of Hypothesis
    "hypothesis_client": Policy(None, budget=Budget.none, is_open=True),
    "show_h_app": OPEN,
    "show_h_config": READ,
    # shows by what it sends who asks, and changes nothing
    "create_h_token": OPEN,
    "list_h_routes": READ,
    "list_h_links": READ,
    "search_h_annotations": READ,
    "create_h_annotation": WRITE,
    "show_h_document": READ,
    "read_h_annotation": READ,
    "update_h_annotation": WRITE,
    "delete_h_annotation": WRITE,
    "read_h_profile": READ,
    "list_h_profile_groups": READ,
    "list_h_groups": READ,
    "read_h_group": READ,
    "begin_sign_in": SIGN_IN,
    "begin_link": OWN,
    "finish_flow": SIGN_IN,
    "settle_claim": SIGN_IN,
    "show_invitation": SIGN_IN,
    "use_invitation": SIGN_IN,
    "begin_join": SIGN_IN,
    "show_account": OWN,
    "rename_account": OWN_CHANGE,
    "change_password": Policy(
        Role.reader, Scope.admin, Budget.sign_ins, is_open=True
    ),
    "make_token": OWN_CHANGE,
    "revoke_token": OWN_CHANGE,
    "end_other_sessions": OWN_CHANGE,
    "end_session": OWN_CHANGE,
    "unlink_identity": OWN_CHANGE,
    "list_accounts": ADMINISTER,
    "show_audit": ADMINISTER,
    "show_reviewer": ADMINISTER,
    "change_role": ADMINISTER_CHANGE,
    "disable_account": ADMINISTER_CHANGE,
    "enable_account": ADMINISTER_CHANGE,
    "end_account_sessions": ADMINISTER_CHANGE,
    "make_sign_in_link": ADMINISTER_CHANGE,
    "list_invitations": ADMINISTER,
    "make_invitation": ADMINISTER_CHANGE,
    "revoke_invitation": ADMINISTER_CHANGE,
    "list_members": ADMINISTER,
    "add_member": ADMINISTER_CHANGE,
    "remove_member": ADMINISTER_CHANGE,
    "close_proposal": ADMINISTER_CHANGE,
    "open_proposal": ADMINISTER_CHANGE,
    "read_own_account": Policy(Role.reader, is_open=True),
    "update_own_account": OWN_CHANGE,
    "read_own_tokens": OWN,
    "create_own_token": OWN_CHANGE,
    "read_own_token": OWN,
    "delete_own_token": OWN_CHANGE,
    "read_own_sessions": OWN,
    "delete_other_sessions": OWN_CHANGE,
    "delete_own_session": OWN_CHANGE,
    "read_accounts": ADMINISTER,
    "read_account": ADMINISTER,
    "update_account": ADMINISTER_CHANGE,
    "read_audit": ADMINISTER,
    "read_invitations": ADMINISTER,
    "create_invitation": ADMINISTER_CHANGE,
    "read_invitation": ADMINISTER,
    "delete_invitation": ADMINISTER_CHANGE,
    "read_members": ADMINISTER,
    "update_members": ADMINISTER_CHANGE,
    "add_member_item": ADMINISTER_CHANGE,
    "delete_member": ADMINISTER_CHANGE,
    # the document
    "show_document": READ,
    "show_section": READ,
    "list_revisions": READ,
    "show_revision": READ,
    "show_markdown": READ,
    "show_changes": READ,
    "read_revisions": READ,
    "read_revision": READ,
    "create_revision": EDIT,
    "edit_document": EDIT_FORM,
    "create_edit": EDIT,
    "new_upload": EDIT_FORM,
    "create_upload": EDIT,
    "new_mail_document": EDIT_FORM,
    "create_mail_document": EDIT,
    "list_anchors": READ,
    "settle_anchor": EDIT,
    # suggestions
    "new_suggestion": WRITE_FORM,
    "create_suggestion": WRITE,
    "list_suggestions": READ,
    "accept_suggestion": EDIT,
    "decline_suggestion": EDIT,
    # annotations
    "show_container": READ,
    "show_proposal_container": READ,
    "create_annotation": WRITE,
    "create_proposal_annotation": WRITE,
    "show_annotation": READ,
    "show_proposal_annotation": READ,
    "replace_annotation": WRITE,
    "replace_proposal_annotation": WRITE,
    "delete_annotation": WRITE,
    "delete_proposal_annotation": WRITE,
    # calls and platforms
    "list_calls": READ,
    "show_call": READ,
    "list_calls_json": READ,
    "show_call_json": READ,
    "list_platforms": READ,
    "list_platforms_json": READ,
    "list_gaps": READ,
    "list_gaps_json": READ,
    "show_diet": READ,
    "show_diet_json": READ,
    # threads
    "list_threads": READ,
    "show_thread": READ,
    "new_thread": WRITE_FORM,
    "create_thread": WRITE,
    "create_reply": WRITE,
    "read_threads": READ,
    "read_thread": READ,
    "create_thread_item": WRITE,
    "update_thread": WRITE,
    "create_comment": WRITE,
    "list_comments": READ,
    "read_comment": READ,
    "update_comment": WRITE,
    "delete_comment": WRITE,
    "show_post": READ,
    "edit_post": WRITE_FORM,
    "update_post": WRITE,
    "remove_post": WRITE,
    "list_stances": READ,
    "read_stance": READ,
    "take_stance": WRITE,
    "withdraw_stance": WRITE,
    "show_stances": READ,
    "create_stance": WRITE,
    "attach_evidence": WRITE,
    "list_evidence": READ,
    "read_evidence": READ,
    "create_evidence": WRITE,
    "withdraw_evidence": WRITE,
    # decisions
    "list_decisions": READ,
    "export": READ,
    "show_decision": READ,
    "new_decision": WRITE_FORM,
    "create_decision": WRITE,
    "list_decision_items": READ,
    "get_decision": READ,
    "create_decision_item": WRITE,
    # mail
    "list_conversations": READ,
    "cut_message": EDIT,
    "join_message": EDIT,
    "show_nested": READ,
    "show_flat": READ,
    "download_mbox": READ,
    "show_feed": READ,
    "show_raw_message": READ,
    "show_delivery": READ,
    "download_attachment": READ,
    "show_message": READ,
    "read_messages": READ,
    "read_message": READ,
    "new_import": READ,
    "create_import": UPLOAD,
    "create_messages": UPLOAD,
    "export_thread_reply": READ,
    "export_thread_mails": READ,
    "show_thread_reply": READ,
    "export_annotation_reply": READ,
    "show_annotation_reply": READ,
    "export_message_reply": READ,
    "show_message_reply": READ,
    "decide_quote": EDIT,
    "dismiss_quote": EDIT,
    # questions and runs
    "list_questions": READ,
    "show_question": READ,
    "new_question": READ,
    "list_words": READ,
    "create_link": RUN,
    "check_question": RUN,
    # refuses by itself whoever is no reviewer, with what they typed
    "create_question": Policy(None, Scope.annotate, Budget.runs),
    "run_question": RUN,
    "create_run": RUN,
    "show_run": READ,
    "show_progress": READ,
    "cancel_run": CANCEL,
    "show_product": READ,
    "show_product_json": READ,
    "list_scenarios": READ,
    "read_scenario": READ,
    "create_scenario": Policy(Role.reviewer, Scope.annotate, Budget.runs),
    "replace_scenario": Policy(Role.reviewer, Scope.annotate, Budget.runs),
    "remove_scenario": WRITE,
    "list_runs": READ,
    "create_report": RUN,
    "read_report": READ,
    "read_progress": READ,
    "cancel_report": CANCEL,
    "show_costs": READ,
    "change_costs": READ,
    "read_costs": READ,
    "read_run_costs": READ,
    # search
    "show_search": READ,
    "find": READ,
    "follow_search": READ,
    "save_search": WRITE,
    "follow_saved_search": READ,
    "show_saved_search": READ,
    "delete_search": WRITE,
}


def require_policies(names: Iterable[str]) -> None:
    """Refuse to go on while a route has no policy.

    Raises
    ------
    RuntimeError
        When the table lacks a route; a mistake of ours.
    """
    missing = sorted(set(names) - POLICIES.keys())
    if missing:
        raise RuntimeError(
            f"no policy in app/policies.py for {', '.join(missing)}"
        )
