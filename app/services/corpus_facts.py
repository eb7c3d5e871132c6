"""A corpus folder read whole and checked, before anything is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import sim
from app.errors import CorpusError
from app.services.corpus_files import CorpusFile, parse_yaml, read_file
from app.services.corpus_records import (
    CallRecord,
    CallsRecord,
    EvidenceRecord,
    MailRecord,
    ObjectionRecord,
    ObjectionsRecord,
    ProposalRecord,
    RevisionRecord,
    RomRecord,
    check_record,
    check_records,
    require_known,
    split_reference,
)
from app.services.corpus_scenarios import parse_scenarios, read_scenarios
from app.services.sections import (
    ParsedSection,
    Pointer,
    PointerError,
    SectionIndex,
    parse_sections,
)

PROPOSAL = "proposal.yaml"
CALLS = "calls.yaml"
OBJECTIONS = "objections.yaml"
ROM = "rom.yaml"


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """One text of the document and its sections."""

    record: RevisionRecord
    text: str
    sections: Sequence[ParsedSection]


@dataclass(frozen=True, slots=True)
class CorpusFacts:
    """All that a corpus folder says, checked.

    `call_sections` and `thread_sections` map a call or thread to places in
    the newest revision; `parents` maps a mail to the one it answers.
    """

    proposal: ProposalRecord
    revisions: Sequence[RevisionFacts]
    calls: Sequence[CallRecord]
    objections: Sequence[ObjectionRecord]
    call_sections: Mapping[str, Sequence[Pointer]]
    thread_sections: Mapping[str, Sequence[Pointer]]
    parents: Mapping[str, str | None]
    scenarios: Sequence[sim.Scenario]
    digests: Mapping[str, str]


def read_corpus(folder: Path) -> CorpusFacts:
    """Read and check a corpus folder; CorpusError says what is wrong."""
    files = [
        read_file(folder, name) for name in (PROPOSAL, CALLS, OBJECTIONS, ROM)
    ]
    proposal = check_record(
        ProposalRecord, parse_yaml(files[0]), file=PROPOSAL
    )
    check_record(RomRecord, parse_yaml(files[3]), file=ROM)
    calls = _read_calls(files[1])
    objections, parents = _read_objections(files[2], calls)
    documents = [
        read_file(folder, revision.file) for revision in proposal.revisions
    ]
    scenarios = read_scenarios(folder)
    revisions = _read_revisions(proposal, documents)
    index = SectionIndex(revisions[-1].sections)
    return CorpusFacts(
        proposal=proposal,
        revisions=revisions,
        calls=calls,
        objections=objections,
        call_sections=_resolve_calls(calls, index),
        thread_sections=_resolve_threads(objections, index),
        parents=parents,
        scenarios=parse_scenarios(
            scenarios,
            [call.name for call in calls],
            [objection.id for objection in objections],
        ),
        digests={
            file.name: file.digest for file in files + documents + scenarios
        },
    )


def _read_calls(file: CorpusFile) -> list[CallRecord]:
    whole = check_record(CallsRecord, parse_yaml(file), file=CALLS)
    calls = check_records(CallRecord, whole.calls, file=CALLS, key="name")
    for call in calls:
        require_known(
            [call.group],
            whole.groups,
            file=CALLS,
            entry=call.name,
            field="group",
        )
    return calls


def _read_objections(
    file: CorpusFile, calls: Sequence[CallRecord]
) -> tuple[list[ObjectionRecord], dict[str, str | None]]:
    whole = check_record(ObjectionsRecord, parse_yaml(file), file=OBJECTIONS)
    objections = check_records(
        ObjectionRecord, whole.objections, file=OBJECTIONS, key="id"
    )
    check_records(
        EvidenceRecord, whole.evidence, file=OBJECTIONS, key="message_id"
    )
    mails = check_records(
        MailRecord, whole.messages, file=OBJECTIONS, key="message_id"
    )
    names = [call.name for call in calls]
    for objection in objections:
        require_known(
            objection.target.calls,
            names,
            file=OBJECTIONS,
            entry=objection.id,
            field="target.calls",
        )
    return objections, {
        m.message_id: split_reference(m.in_reply_to)[0] for m in mails
    }


def _read_revisions(
    proposal: ProposalRecord, documents: Sequence[CorpusFile]
) -> list[RevisionFacts]:
    numbers = [revision.number for revision in proposal.revisions]
    if numbers != list(range(1, len(numbers) + 1)):
        raise CorpusError(
            PROPOSAL,
            f"expected the numbers 1, 2, …, found {numbers}",
            field="revisions",
        )
    revisions = []
    for record, file in zip(proposal.revisions, documents, strict=True):
        try:
            sections = parse_sections(file.text)
        except ValueError as error:
            raise CorpusError(file.name, str(error)) from error
        revisions.append(RevisionFacts(record, file.text, sections))
    return revisions


def _resolve_calls(
    calls: Sequence[CallRecord], index: SectionIndex
) -> dict[str, list[Pointer]]:
    places = {}
    for call in calls:
        try:
            places[call.name] = index.resolve_all(call.spec_section or "")
        except PointerError as error:
            raise CorpusError(
                CALLS, str(error), entry=call.name, field="spec_section"
            ) from error
    return places


def _resolve_threads(
    objections: Sequence[ObjectionRecord], index: SectionIndex
) -> dict[str, list[Pointer]]:
    places = {}
    for objection in objections:
        try:
            places[objection.id] = [
                index.resolve(words) for words in objection.target.sections
            ]
        except PointerError as error:
            raise CorpusError(
                OBJECTIONS,
                str(error),
                entry=objection.id,
                field="target.sections",
            ) from error
    return places
