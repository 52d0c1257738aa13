"""Folders by another delimiter than ``/``, in INBOX, or flat: the names that clients write, and those that tests do."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from wire import USERS, Wire

from smtpfix import ImapPolicy, InvalidValueError

FOLDERS = ("Archive/2024", "Sent", "v1.0")

pytestmark = pytest.mark.usefixtures("nothing_logged")


@pytest.fixture
def start(start_imap_server):
    """Return a function that starts a server with folders in each other."""
    return lambda **fields: start_imap_server(**{"users": USERS, "folders": FOLDERS, **fields})


def names(answer):
    """Return what an answer to LIST or LSUB lists, without the delimiter."""
    return [line.decode().partition('" ')[2] for line in answer[:-1]]


@pytest.mark.parametrize(
    ("fields", "space", "listed", "top"),
    [
        ({}, '"" "/"', ["INBOX", "Archive", "Archive/2024", "Sent", "v1.0"], ["INBOX", "Archive", "Sent", "v1.0"]),
        (
            {"delimiter": "."},
            '"" "."',
            ["INBOX", "Archive", "Archive.2024", "Sent", "v1/0"],
            ["INBOX", "Archive", "Sent", "v1/0"],
        ),
        (
            {"delimiter": ".", "under_inbox": True},
            '"INBOX." "."',
            ["INBOX", "INBOX.Archive", "INBOX.Archive.2024", "INBOX.Sent", "INBOX.v1/0"],
            ["INBOX"],
        ),
        (
            {"delimiter": "/", "under_inbox": True},
            '"INBOX/" "/"',
            ["INBOX", "INBOX/Archive", "INBOX/Archive/2024", "INBOX/Sent", "INBOX/v1.0"],
            ["INBOX"],
        ),
    ],
)
def test_a_server_lists_folders_as_it_names_them(start, fields, space, listed, top):
    server = start(**fields)
    with Wire(server, "authenticated") as wire:
        assert wire.do("NAMESPACE")[0].decode() == f"* NAMESPACE (({space})) NIL NIL"
        assert names(wire.do('LIST "" "*"')) == listed
        assert names(wire.do('LIST "" "%"')) == top
        assert wire.do('LIST "" ""')[0].decode() == f'* LIST (\\Noselect) {space.rpartition(" ")[2]} ""'
        for name in listed:
            assert wire.do(f"SELECT {name}")[-1].startswith(b"x OK"), name
    assert [folder.name for folder in server.account("ann").folders] == ["INBOX", "Archive", *FOLDERS]


def test_a_backslash_is_quoted_wherever_it_stands(start):
    with Wire(start(delimiter="\\"), "authenticated") as wire:
        assert wire.do("NAMESPACE")[0] == b'* NAMESPACE (("" "\\\\")) NIL NIL'
        assert wire.do('LIST "Archive\\\\" "%"')[0] == b'* LIST (\\HasNoChildren) "\\\\" "Archive\\\\2024"'
        assert wire.do('SELECT "Archive\\\\2024"')[-1].startswith(b"x OK")


def test_folders_are_made_renamed_subscribed_and_deleted_by_the_server_s_names(start):
    server = start(delimiter=".", under_inbox=True)
    account = server.account("ann")
    with Wire(server, "authenticated") as wire:
        assert wire.do("CREATE INBOX.Work.Shop.")[-1].startswith(b"x OK")
        assert "Work/Shop" in [folder.name for folder in account.folders]
        assert wire.do("CREATE inbox.a/b")[-1].startswith(b"x OK")
        assert "a.b" in [folder.name for folder in account.folders]
        assert wire.do("RENAME INBOX.Work INBOX.Done")[-1].startswith(b"x OK")
        assert "Done/Shop" in [folder.name for folder in account.folders]
        assert wire.do("RENAME INBOX.Done INBOX.Done.Older")[-1].startswith(b"x NO [CANNOT]")
        assert wire.do("SUBSCRIBE INBOX.Done.Shop")[-1].startswith(b"x OK")
        assert wire.do('LSUB "" "*"')[0] == b'* LSUB () "." INBOX.Done.Shop'
        assert wire.do('LSUB "" "INBOX.%"')[0] == b'* LSUB (\\Noselect) "." INBOX.Done'
        assert wire.do('LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"')[0] == (
            b'* LIST (\\HasChildren) "." INBOX ("CHILDINFO" ("SUBSCRIBED"))'
        )
        assert wire.do("UNSUBSCRIBE INBOX.Done.Shop")[-1].startswith(b"x OK")
        assert wire.do('LSUB "" "*"') == [b"x OK listed"]
        assert wire.do("STATUS INBOX.Done.Shop (MESSAGES)")[0] == b"* STATUS INBOX.Done.Shop (MESSAGES 0)"
        assert wire.do("DELETE INBOX.Done.Shop")[-1].startswith(b"x OK")
    assert "Done/Shop" not in [folder.name for folder in account.folders]


def test_a_client_that_knows_no_namespace_trips_over_names_outside_of_it(start):
    with Wire(start(delimiter=".", under_inbox=True), "authenticated") as wire:
        assert wire.do("CREATE Trash")[-1] == b"x NO [CANNOT] CREATE: the names of all mailboxes begin with INBOX."
        assert wire.do("RENAME INBOX.Sent Trash")[-1].startswith(b"x NO [CANNOT]")
        assert wire.do("SELECT Sent")[-1].startswith(b"x NO [NONEXISTENT]")
        assert wire.do(b"APPEND Sent {3+}\r\nyes")[-1].startswith(b"x NO [TRYCREATE]")
        assert wire.do("SUBSCRIBE INBOXES")[-1].startswith(b"x NO")
        assert names(wire.do('LIST "" "Sent"')) == []
        assert names(wire.do('LIST "" "inbox.s%"')) == []  # only INBOX is that in any case
        assert names(wire.do('LIST "" "inbox.S%"')) == ["INBOX.Sent"]


def test_where_no_folder_is_in_another_the_delimiter_is_nil(start):
    server = start(delimiter=None, folders=["Sent"])
    with Wire(server, "authenticated") as wire:
        assert wire.do("NAMESPACE")[0] == b'* NAMESPACE (("" NIL)) NIL NIL'
        assert wire.do("CREATE v1.0")[-1].startswith(b"x OK")
        assert wire.do("CREATE a/b")[-1].startswith(b"x NO [CANNOT]")
        assert wire.do('LIST "" "%"')[:-1] == [
            b"* LIST (\\HasNoChildren) NIL INBOX",
            b"* LIST (\\HasNoChildren \\Sent) NIL Sent",
            b"* LIST (\\HasNoChildren) NIL v1.0",
        ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"delimiter": "#"}, r"ImapPolicy.delimiter: expected one of / . \\, or None"),
        ({"delimiter": ["."]}, "ImapPolicy.delimiter"),
        ({"delimiter": None, "folders": ["a/b"]}, "names without / where ImapPolicy.delimiter is None"),
        ({"delimiter": None, "under_inbox": True}, "False where ImapPolicy.delimiter is None"),
        ({"under_inbox": "INBOX."}, "True or False"),
    ],
)
def test_what_no_server_can_have_is_said_where_the_policy_is_made(fields, said):
    with pytest.raises(InvalidValueError) as caught:
        ImapPolicy(**fields)
    assert said.replace("\\\\", "\\") in str(caught.value)


def test_imapclient_finds_its_folders_through_the_namespace(start):
    imapclient = pytest.importorskip("imapclient")
    server = start(delimiter=".", under_inbox=True)
    with imapclient.IMAPClient(server.host, server.port, ssl=False, timeout=10) as client:
        client.login("ann", "s3cret")
        ((prefix, delimiter),) = client.namespace().personal
        sent = f"{prefix}Sent"
        assert client.find_special_folder(b"\\Sent") == sent
        assert [name for _, _, name in client.list_folders(prefix, "%")] == [
            f"{prefix}{n}" for n in ("Archive", "Sent", "v1/0")
        ]
        client.append(sent, b"Subject: x\r\n\r\nx\r\n")
        client.create_folder(delimiter.join((sent, "2024")))
    account = server.account("ann")
    assert [stored.folder for stored in account.find()] == ["Sent"]
    assert len(account["Sent/2024"]) == 0


def test_mbsync_copies_folders_whatever_the_delimiter_is(start, tmp_path):
    if shutil.which("mbsync") is None:
        pytest.skip("mbsync is not installed")
    server = start(delimiter=".", under_inbox=True)
    server.put(b"Subject: x\r\n\r\nold\r\n", to="ann", folder="Archive/2024")
    far = f"IMAPStore far\nHost {server.host}\nPort {server.port}\nUser ann\nPass s3cret\nSSLType None\n"
    near = f"MaildirStore near\nPath {tmp_path}/\nInbox {tmp_path}/in\nSubFolders Verbatim\n"
    (tmp_path / "rc").write_text(
        f"{far}\n{near}\nChannel a\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSyncState *\n"
    )
    command = ["mbsync", "-c", str(tmp_path / "rc"), "-a"]
    subprocess.run(command, env={**os.environ, "HOME": str(tmp_path)}, check=True, timeout=60, capture_output=True)
    (file,) = (tmp_path / "Archive" / "2024" / "new").iterdir()
    assert file.read_text().endswith("old\n")
