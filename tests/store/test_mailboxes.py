"""Which mailbox a message is put into; that its name can stand in a path."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from smtpfix.store.mailboxes import LONGEST_NAME, MailboxBy, filed, mailbox_name

from .test_store import entry

SHORT = st.text(st.characters(), max_size=16)
ODD = st.text(st.sampled_from("ab~2F/\\. \n\u202e\ud800é"), max_size=8)


def reversed_name(name):
    """Return the text that has this name."""
    octets = unquote_to_bytes(name.replace("%", "%25").replace("~", "%").encode("utf-8", "surrogatepass"))
    return octets.decode("utf-8", "surrogatepass")


@given(SHORT | ODD)
def test_a_name_is_one_piece_of_a_path_and_says_of_which_text_it_is(text):
    name = mailbox_name(text)
    assert not {*name} & {*"/\\\r\n\0"}
    assert name == name.strip()
    assert name not in (".", "..")
    assert reversed_name(name) == text


def test_texts_that_are_too_long_have_names_of_their_own():
    texts = [*(f"{'x' * length}{end}" for length in (195, 199, 9999) for end in ("/", "\\", "~", "~2F", "y"))]
    names = {mailbox_name(text) for text in texts}
    assert len(names) == len(texts)
    assert max(map(len, names)) == LONGEST_NAME


def test_a_message_is_filed_by_what_its_row_says():
    known = entry(to=("bob@example.org", "Eve+One+two@example.org"))
    row = replace(known.row, username="ann", tags=("first", "second"))
    for by, name in ((MailboxBy.USER, "ann"), (MailboxBy.RECIPIENT, "bob@example.org"), (MailboxBy.SERVER, "plain")):
        assert filed(replace(known, row=row), by).row.mailbox == name
    assert filed(replace(known, row=row), MailboxBy.TAG).row.mailbox == "One+two"
    assert filed(replace(known, row=replace(row, recipients=())), MailboxBy.TAG).row.mailbox == "first"
    assert filed(replace(known, row=replace(row, recipients=())), MailboxBy.RECIPIENT).row.mailbox == ""
    assert filed(known, None) is known
