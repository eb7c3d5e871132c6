"""Mails as the trees that they make, by RFC 5256 REFERENCES.

A pure function of the mails: it reads no database, and gives what Dovecot's
`THREAD REFERENCES` gives, which the oracle's test holds it to.

Where the RFC leaves room, or Dovecot departs from it, Dovecot is followed:

- a mail's own last reference is its parent, even if others named another
  one before; but where it would close a loop, the mail is a root, and the
  link that was broken for it is not mended;
- a mail that is a root because its parent never came is gathered by its
  subject like one that answers nothing;
- a date that cannot be read, or is not after the first second of 1970, counts
  as the time of arrival;
- the second mail of an id keeps its own references, and answers to the id go
  to the first.

What is joined by its subject alone is marked as guessed. A mail that an
editor has cut off is never gathered, and nothing with it; where the mail that
it answers never came, those that answer the same one stay with it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

NOBODY = -1


class Mail(NamedTuple):
    """What is known of a mail; those of one list come in order of arrival.

    `references` are the ids it names, eldest first: those of References, or
    the first of In-Reply-To. `date` is what `compute_date` makes of its own.
    """

    key: int
    message_id: str | None
    references: Sequence[str]
    base_subject: str
    is_reply: bool
    date: int
    is_cut: bool = False


class Place(NamedTuple):
    """Where a mail hangs: under which other mail, and how deep.

    Mails at the top have depth 0, or 1 where what is above them never came.
    """

    key: int
    parent: int | None
    depth: int
    is_guessed: bool


class Tree(NamedTuple):
    """One conversation, from the top down.

    `root` is the id at the top, whether its mail came or not; it is empty
    where the subject alone holds the mails together, or the mail has no id.
    """

    root: str
    places: Sequence[Place]


def compute_date(sent_at: datetime | None, arrived_at: datetime) -> int:
    """Return the second by which a mail is put among others."""
    sent = int(sent_at.timestamp()) if sent_at else 0
    return sent if sent > 0 else int(arrived_at.timestamp())


def build_trees(mails: Sequence[Mail]) -> list[Tree]:
    """Return the conversations that mails make, by the date of the top."""
    forest = _Forest(mails, _Links(mails))
    _gather(forest)
    return [forest.read_tree(top) for top in forest.tops]


class _Links:
    """Which id hangs under which: step 1.

    Each id that is borne or named has a node. `mails` holds the index of the
    mail at a node, or NOBODY.
    """

    def __init__(self, mails: Sequence[Mail]) -> None:
        self.nodes: dict[str, int] = {}
        self.ids: list[str] = []
        self.mails: list[int] = []
        self.parents: list[int] = []
        # a node without parent that is of another's group is above it, as
        # long as no link was cut
        self._groups: list[int] = []
        self._were_cut = False
        for index, mail in enumerate(mails):
            self._add(index, mail)

    def _add(self, index: int, mail: Mail) -> None:
        node = NOBODY
        if mail.message_id is not None:
            node = self._find_node(mail.message_id)
        if node == NOBODY or self.mails[node] != NOBODY:
            node = self._make_node(mail.message_id or "")
        self.mails[node] = index
        parent = NOBODY
        for reference in mail.references:
            named = self._find_node(reference)
            if parent != NOBODY and self.parents[named] == NOBODY:
                self._link(named, parent)
            parent = named
        if self.parents[node] not in {parent, NOBODY}:
            self.parents[node] = NOBODY
            self._were_cut = True
        if parent != NOBODY and self.parents[node] == NOBODY:
            self._link(node, parent)

    def _find_node(self, message_id: str) -> int:
        node = self.nodes.get(message_id)
        if node is None:
            node = self.nodes[message_id] = self._make_node(message_id)
        return node

    def _make_node(self, message_id: str) -> int:
        self.ids.append(message_id)
        self.mails.append(NOBODY)
        self.parents.append(NOBODY)
        self._groups.append(len(self._groups))
        return len(self._groups) - 1

    def _link(self, child: int, parent: int) -> None:
        """Hang a node without parent under another, unless it is above."""
        group, other = self._find_group(child), self._find_group(parent)
        if group != other or (
            self._were_cut and not self._is_above(child, parent)
        ):
            self.parents[child] = parent
            self._groups[group] = other

    def _find_group(self, node: int) -> int:
        """Return what stands for all nodes that were ever linked to one."""
        groups = self._groups
        while groups[node] != node:
            groups[node] = groups[groups[node]]
            node = groups[node]
        return node

    def _is_above(self, node: int, other: int) -> bool:
        while other not in {node, NOBODY}:
            other = self.parents[other]
        return other == node


class _Top:
    """A root of the forest, with what its gathering needs."""

    __slots__ = ("gathered", "is_ignored", "is_reply", "node")

    def __init__(self, node: int) -> None:
        self.node = node
        self.is_reply = False
        self.is_ignored = False
        self.gathered: _Top | None = None


class _Forest:
    """Which mail hangs under which: steps 2 and 3, and the order of 4, 6."""

    def __init__(self, mails: Sequence[Mail], links: _Links) -> None:
        self.mails = mails
        self.ids = links.ids
        self.at = links.mails
        self.children: dict[int, list[int]] = {}
        self.guessed: set[int] = set()
        self.tops = [
            _Top(node)
            for node, parent in enumerate(links.parents)
            if parent == NOBODY
        ]
        self._hang_nodes(links.parents)
        self.settle_tops()

    def _hang_nodes(self, parents: Sequence[int]) -> None:
        """Hang each mail under the next one above, or under the root."""
        at = self.at
        above = list(parents)
        for node, parent in enumerate(parents):
            if parent == NOBODY or at[node] == NOBODY:
                continue
            passed = []
            end = parent
            while at[end] == NOBODY and above[end] != NOBODY:
                passed.append(end)
                end = above[end]
            for dummy in passed:  # so that no chain is walked twice
                above[dummy] = end
            self.children.setdefault(end, []).append(node)

    def is_dummy(self, node: int) -> bool:
        """Tell whether no mail is at a node."""
        return self.at[node] == NOBODY

    def get_mail(self, node: int) -> Mail:
        """Return the mail at a node."""
        return self.mails[self.at[node]]

    def sort_children(self, node: int) -> list[int]:
        """Return what hangs under a node, by date and then by arrival."""
        children = self.children.get(node, [])
        if len(children) > 1:
            children.sort(key=self._get_order)
        return children

    def _get_order(self, node: int) -> tuple[int, int]:
        index = self.at[node]
        return self.mails[index].date, index

    def settle_tops(self) -> None:
        """Drop roots without mails, promote only children, sort the rest."""
        for top in self.tops:
            if top.is_ignored or not self.is_dummy(top.node):
                continue
            children = self.sort_children(top.node)
            if not children:
                top.is_ignored = True
            elif len(children) == 1:
                top.node = children[0]
        self.tops = [top for top in self.tops if not top.is_ignored]
        self.tops.sort(key=lambda top: self._get_order(self.get_eldest(top)))

    def get_eldest(self, top: _Top) -> int:
        """Return the node of the mail that speaks for a root."""
        if self.is_dummy(top.node):
            return self.sort_children(top.node)[0]
        return top.node

    def is_cut(self, top: _Top) -> bool:
        """Tell whether an editor keeps a root from being gathered."""
        nodes = [top.node]
        if self.is_dummy(top.node):
            nodes = self.children[top.node]
        return any(self.get_mail(node).is_cut for node in nodes)

    def hang_guessed(self, node: int, top: _Top) -> None:
        """Hang a node under a root because of its subject."""
        self.children.setdefault(top.node, []).append(node)
        self.guessed.add(node)

    def add_top(self) -> _Top:
        """Add a root that stands for a subject alone."""
        top = _Top(len(self.ids))
        self.ids.append("")
        self.at.append(NOBODY)
        self.tops.append(top)
        return top

    def read_tree(self, top: _Top) -> Tree:
        """Return the tree under a root, from the top down."""
        places = []
        waiting: list[tuple[int, int | None, int]] = [(top.node, None, 0)]
        while waiting:
            node, parent, depth = waiting.pop()
            key = None
            if not self.is_dummy(node):
                key = self.get_mail(node).key
                is_guessed = node in self.guessed
                places.append(Place(key, parent, depth, is_guessed))
            waiting += [
                (child, key, depth + 1)
                for child in reversed(self.sort_children(node))
            ]
        return Tree(self.ids[top.node], places)


def _gather(forest: _Forest) -> None:
    """Join the roots that have a base subject in common: step 5."""
    _choose_heads(forest)
    joined = [top for top in forest.tops if top.gathered]
    for top in joined:
        if not top.is_ignored:
            _join(forest, top)
    if joined:
        forest.settle_tops()


def _choose_heads(forest: _Forest) -> None:
    heads: dict[str, _Top] = {}
    for top in forest.tops:
        mail = forest.get_mail(forest.get_eldest(top))
        if not mail.base_subject or forest.is_cut(top):
            continue
        top.is_reply = mail.is_reply
        head = heads.setdefault(mail.base_subject, top)
        if head is top:
            continue
        if not forest.is_dummy(head.node) and (
            forest.is_dummy(top.node) or (head.is_reply and not top.is_reply)
        ):
            head.gathered = heads[mail.base_subject] = top
        else:
            top.gathered = head


def _join(forest: _Forest, top: _Top) -> None:
    """Join a root to the one that was chosen for its subject."""
    head = top
    while head.gathered:
        head = head.gathered
    top.is_ignored = True
    if forest.is_dummy(top.node):
        for child in forest.children.pop(top.node):
            forest.hang_guessed(child, head)
    elif forest.is_dummy(head.node) or (top.is_reply and not head.is_reply):
        forest.hang_guessed(top.node, head)
    else:
        both = forest.add_top()
        forest.hang_guessed(head.node, both)
        forest.hang_guessed(top.node, both)
        head.gathered = both
        head.is_ignored = True
