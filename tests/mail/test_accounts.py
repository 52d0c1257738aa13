"""Accounts: who gets what was captured, what readers do to it, what their sessions are told, and what was lost."""

import asyncio
import os
import threading
from dataclasses import replace
from email.message import EmailMessage

import pytest
from mails import mail

from smtpfix.errors import InvalidValueError, NoMessage, UnexpectedMessage
from smtpfix.mail.accounts import Accounts
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.inbox import Inbox
from smtpfix.mail.mailbox import known_flags
from smtpfix.mail.view import Reader, Update

PLENTY = 10**9


def captured(number=1, *to, subject="Hi", eol="\r\n"):
    content = f"Subject: {subject}{eol}{eol}Hello{eol}".encode()
    return replace(mail(content), number=number, envelope=Envelope("shop@example.org", to))


def accounts(*users, most=PLENTY):
    made = Accounts(most)
    made.admit(users)
    return made


def uids(folder):
    return [stored.uid for stored in folder]


def subjects(account):
    return [stored.subject for stored in account.inbox]


# Who gets what


def test_a_message_goes_to_its_recipients_by_address_or_local_part_and_to_everybody_where_none_is_a_user():
    inbox = Inbox()
    inbox.accounts.admit(("ann", "Bob@Example.org", "eve"))
    inbox.add(captured(1, "ANN@example.org", "bob@example.ORG", subject="both"))
    inbox.add(captured(2, "bob@elsewhere.example", subject="nobody"))
    assert {user: subjects(account) for user, account in inbox.accounts.items()} == {
        "ann": ["both", "nobody"],
        "Bob@Example.org": ["both", "nobody"],
        "eve": ["nobody"],
    }


def test_whoever_comes_later_gets_what_was_for_them_or_for_everybody_so_far():
    inbox = Inbox()
    inbox.add(captured(1, "ann@example.org", subject="for ann"))
    inbox.add(captured(2, "x@example.org", subject="for all"))
    inbox.accounts.admit(("ann", "bob"))
    assert subjects(inbox.accounts["ann"]) == ["for ann", "for all"]
    assert subjects(inbox.accounts["bob"]) == ["for all"]
    inbox.accounts.admit(None)
    assert subjects(inbox.accounts["whoever"]) == ["for ann", "for all"]  # ann was nobody when it came


def test_a_user_that_there_is_not_is_an_error_that_lists_those_there_are():
    with pytest.raises(InvalidValueError, match=r"one of ann, bob .did you mean 'ann'.*, got 'anne'"):
        accounts("ann", "bob")["anne"]
    with pytest.raises(InvalidValueError, match="folder: expected one of INBOX, got 'Done'"):
        accounts("ann")["ann"]["Done"]


def test_content_is_the_inboxs_own_unless_it_has_a_bare_line_feed():
    mine = accounts("ann")
    whole, bare = captured(1), captured(2, eol="\n")
    mine.deliver(whole)
    mine.deliver(bare)
    first, second = mine["ann"].inbox
    assert first.content is whole.content
    assert first.captured is whole
    assert second.content == whole.content  # every line ends with CRLF
    assert b"\r" not in bare.content


def test_mail_can_be_put_without_smtp_and_is_asked_for_as_in_the_inbox():
    mine = accounts("ann", "bob")
    letter = EmailMessage()
    letter["Subject"] = "Grüße"
    letter.set_content("Hello")
    (stored,) = mine.put(letter, to="ann@example.org", flags=(r"\seen", "$Later"))
    assert (stored.flags, stored.is_seen, stored.captured) == ({"\\Seen", "$Later"}, True, None)
    assert mine["ann"].one(subject="Grüße", folder="INBOX") == stored
    assert len(mine.put("Subject: all\n\nx\n")) == 2
    with pytest.raises(UnexpectedMessage, match="expected one message"):
        mine["ann"].one()
    with pytest.raises(NoMessage, match="subject: wanted 'No', got 'all'"):
        mine["bob"].one(subject="No")
    with pytest.raises(InvalidValueError, match="no such flag"):
        mine.put(b"", flags=("\\Sean",))


def test_a_wait_sees_what_comes_into_a_folder_that_was_not_there():
    account = accounts("ann")["ann"]

    def file():
        account.create("Done")
        account.mailboxes["INBOX"].move(account.mailboxes["INBOX"].entries, account.mailboxes["Done"])

    account.put(b"Subject: Hi\r\n\r\n")
    threading.Timer(0.01, file).start()
    assert account.wait(folder="Done", subject="Hi", timeout=60)[0].folder == "Done"


def test_clearing_the_inbox_empties_accounts_and_uids_go_on():
    inbox = Inbox()
    inbox.accounts.admit(("ann",))
    inbox.add(captured(1))
    account = inbox.accounts["ann"]
    view = account.view(account.mailboxes["INBOX"])
    account.put(b"Subject: Hi\r\n\r\n")
    view.mailbox.remove(view.mailbox.entries[1:], "EXPUNGE")
    inbox.clear()
    assert not account.inbox
    assert not account.gone
    assert view.update() == Update(expunged=(1,))
    inbox.add(captured(2))
    assert uids(account.inbox) == [3]
    inbox.accounts.admit(("bob",))
    assert len(inbox.accounts["bob"].inbox) == 1  # what was for everybody before is forgotten


# What readers do to it


def test_what_is_deleted_unread_is_lost_and_what_was_read_or_filed_is_not():
    account = accounts("ann")["ann"]
    for number in range(4):
        account.put(f"Subject: {number}\r\n\r\nHello\r\n")
    box, done = account.mailboxes["INBOX"], account.create("Done")
    read, filed, moved, lost = box.entries
    assert Reader(None).wrote(read)
    box.copy([filed], done)
    box.move([moved], done)
    box.remove([read, filed, lost], "EXPUNGE")
    assert [(gone.stored.subject, gone.how) for gone in account.gone] == [
        ("2", "MOVE"),
        ("0", "EXPUNGE"),
        ("1", "EXPUNGE"),
        ("3", "EXPUNGE"),
    ]
    assert [gone.stored.subject for gone in account.lost] == ["3"]
    done.remove(done.entries, "EXPUNGE")
    assert [str(gone.stored.uid) + gone.how for gone in account.lost] == ["2EXPUNGE", "1EXPUNGE", "4EXPUNGE"]


@pytest.mark.parametrize(
    ("pieces", "is_read"),
    [
        ([(0, None)], True),
        ([(0, 15), (15, 20), (20, 22)], True),
        ([(18, 22), (15, 18)], True),  # the body, in any order
        ([(0, 21)], False),
        ([(0, 15)], False),  # the headers
        ([(15, 17), (18, 22)], False),
    ],
)
def test_a_message_is_retrieved_once_every_octet_of_its_body_was_written(pieces, is_read):
    account = accounts("ann")["ann"]
    account.put(b"Subject: Hi\r\n\r\nHello\r\n")
    (entry,) = account.mailboxes["INBOX"].entries
    reader = Reader(None)
    assert [reader.wrote(entry, *piece) for piece in pieces][-1] is is_read
    assert account.one().retrievals == is_read
    other = Reader(None)
    assert not other.wrote(entry, 15, 17)  # what another session had counts for that one


def test_a_message_without_a_body_is_retrieved_with_its_headers():
    account = accounts("ann")["ann"]
    account.put(b"Subject: Hi\r\n\r\n")
    assert Reader(None).wrote(account.mailboxes["INBOX"].entries[0], 0, 15)


def test_folders_are_made_with_their_parents_renamed_with_children_and_deleted():
    account = accounts("ann")["ann"]
    account.create("a/b/c")
    before = account["a"].uidvalidity
    account.rename("a", "x/y")
    assert [folder.name for folder in account.folders] == ["INBOX", "x", "x/y", "x/y/b", "x/y/b/c"]
    assert account["x/y"].uidvalidity > before
    account.delete("x/y/b")
    assert [folder.name for folder in account.folders] == ["INBOX", "x", "x/y", "x/y/b/c"]
    account.delete("x/y/b/c")
    account.put(b"Subject: Hi\r\n\r\n", flags=(r"\Flagged",))
    account.rename("INBOX", "old")
    assert (len(account.inbox), account.one(folder="old").flags) == (0, {r"\Flagged"})
    assert not account.lost


def test_an_account_knows_the_octets_of_what_is_in_it_whatever_comes_and_goes():
    account = accounts("ann", most=PLENTY)["ann"]
    content = b"Subject: one\r\n\r\n"
    for _ in range(3):
        account.put(content)
    inbox, archive = account.mailbox("INBOX"), account.create("Archive/2026")
    first, second, third = inbox.entries
    inbox.copy([first], archive)
    inbox.move([second], archive)
    inbox.remove([third], "EXPUNGE")
    assert (inbox.octets, archive.octets, account.octets) == (len(content), 2 * len(content), 3 * len(content))
    account.rename("INBOX", "Old")
    account.delete("Archive/2026")
    assert (inbox.octets, account.octets) == (0, len(content))
    account.empty()
    assert account.octets == 0


def test_folders_that_a_server_has_are_in_accounts_made_before_and_after():
    mine = accounts("ann")
    mine.admit(("bob",), folders=("Sent", "Later"))
    assert mine["ann"]["Sent"].special_use == "\\Sent"
    assert mine.open("eve")["Later"].special_use is None


def test_one_pop3_session_holds_an_account():
    account = accounts("ann")["ann"]
    assert account.hold("one")
    assert not account.hold("two")
    account.let_go("two")
    assert not account.hold("two")
    account.let_go("one")
    assert account.hold("two")


def test_the_oldest_goes_where_there_is_no_more_room_whether_it_is_there_or_gone():
    mine = accounts("ann", most=5_000)
    account = mine["ann"]
    box = account.mailboxes["INBOX"]
    for _ in range(100):
        account.put(b"Subject: Hi\r\n\r\n" + b"x" * 1_000)
        box.remove(box.entries[:1], "EXPUNGE")
    account.put(b"Subject: last\r\n\r\n")
    assert len(account.gone) == 2
    account.put(b"Subject: big\r\n\r\n" + b"x" * 10_000)
    assert (subjects(account), account.gone, mine.dropped) == (["big"], (), 1)


# What a session is told


def put(account, count):
    for number in range(count):
        account.put(f"Subject: {number}\r\n\r\n")
    return account.mailboxes["INBOX"]


def test_sequence_numbers_change_only_when_the_session_is_told():
    account = accounts("ann")["ann"]
    box = put(account, 4)
    view = account.view(box)
    first, second, third, fourth = view.entries
    box.remove([first, third], "EXPUNGE")
    box.set_flags(fourth, known_flags([r"\seen"]))
    account.put(b"Subject: new\r\n\r\n")
    assert view.number(fourth) == 4
    assert first.content  # it stays readable until then
    told = view.update(expunge=False)
    assert (told.expunged, told.exists, told.changed) == ((), 5, ((4, fourth),))
    assert view.update(expunge=False) == Update()
    told = view.update()
    assert (told.expunged, told.exists, told.changed) == ((3, 1), None, ())
    assert [view.number(entry) for entry in (first, second, third, fourth)] == [None, 1, None, 2]
    assert not view.has_changed


def test_what_comes_and_goes_between_two_looks_is_not_told_of():
    account = accounts("ann")["ann"]
    box = put(account, 1)
    view = account.view(box)
    account.put(b"Subject: new\r\n\r\n")
    box.remove(box.entries[1:], "EXPUNGE")
    assert not view.update()


def test_a_message_is_recent_in_the_first_session_that_may_write():
    account = accounts("ann")["ann"]
    box = put(account, 2)
    assert len(account.view(box, read_only=True).recent) == 2
    assert len(account.view(box).recent) == 2
    assert not account.view(box).recent


def test_a_session_is_told_in_its_loop_once_for_all_changes_and_not_after_it_has_closed():
    account = accounts("ann")["ann"]
    box = put(account, 0)

    async def session():
        told = []
        loop, here = asyncio.get_running_loop(), threading.get_ident()
        view = account.view(
            box, loop=loop, told=lambda: told.append((threading.get_ident() == here, view.update().exists))
        )
        await asyncio.to_thread(put, account, 3)
        await asyncio.sleep(0)
        view.close()
        put(account, 1)
        await asyncio.sleep(0)
        return told

    told = asyncio.run(session())
    assert all(is_here for is_here, _ in told)
    assert told[-1] == (True, 3)


def test_a_flag_that_a_session_set_itself_it_need_not_be_told_of():
    account = accounts("ann")["ann"]
    box = put(account, 1)
    one, two = account.view(box), account.view(box)
    (entry,) = box.entries
    assert box.set_flags(entry, known_flags(["$Junk"]))
    assert not box.set_flags(entry, known_flags(["$Junk"]))
    one.know(entry)
    assert not one.update()
    assert two.update().changed == ((1, entry),)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 and later, where there are threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_wait_for_a_lock_that_a_thread_of_its_parent_had():
    mine = accounts("ann")
    held, over = threading.Event(), threading.Event()

    def hold():
        with mine["ann"].lock:
            held.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    if (child := os.fork()) == 0:
        mine.put(b"Subject: Hi\r\n\r\n", to="ann")
        os._exit(len(mine["ann"].inbox))
    over.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
