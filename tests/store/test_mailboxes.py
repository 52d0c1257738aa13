"""Which mailbox a message is put into; that its name can stand in a path."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from smtpfix.store.mailboxes import LONGEST_NAME, MailboxBy, filed, mailbox_name

from .test_store import entry


@given(st.text())
def test_a_name_is_one_piece_of_a_path_and_stays_what_it_is(text):
    name = mailbox_name(text)
    assert len(name) <= LONGEST_NAME
    assert not {*name} & {*"/\\\r\n\0"}
    assert name not in (".", "..")
    assert mailbox_name(name) == name


def test_a_message_is_filed_by_what_its_row_says():
    known = entry(to=("bob@example.org", "Eve+One+two@example.org"))
    row = replace(known.row, username="ann", tags=("first", "second"))
    for by, name in ((MailboxBy.USER, "ann"), (MailboxBy.RECIPIENT, "bob@example.org"), (MailboxBy.SERVER, "plain")):
        assert filed(replace(known, row=row), by).row.mailbox == name
    assert filed(replace(known, row=row), MailboxBy.TAG).row.mailbox == "One+two"
    assert filed(replace(known, row=replace(row, recipients=())), MailboxBy.TAG).row.mailbox == "first"
    assert filed(replace(known, row=replace(row, recipients=())), MailboxBy.RECIPIENT).row.mailbox == ""
    assert filed(known, None) is known
