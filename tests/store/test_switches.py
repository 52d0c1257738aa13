"""What a server is switched to is a setting of its store: other programs on it follow, whatever the database."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from smtpfix import Policy, Server
from smtpfix.errors import StoreError
from smtpfix.store.opening import open_store
from smtpfix.web.switches import Switches


def until(condition):
    """Wait until something is so; that it never is means failure."""
    pause = threading.Event()
    for _ in range(400):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it has never become so")


def test_servers_of_two_programs_follow_each_other(where):
    first, second = Server(Policy()), Server(Policy())
    with closing(open_store(where)) as one, closing(open_store(where)) as other:
        here, there = Switches(one, {"mail": first}), Switches(other, {"mail": second})
        for switches in (here, there):
            switches.start(is_shared=True)
        with closing(here), closing(there):
            here.switch("mail", certificate=None, scenario="greeting-554")
            here.add_rule("mail", "NOOP: 250 2.0.0 everywhere")
            until(lambda: second.policy.scenario == "greeting-554" and there.rules("mail") == here.rules("mail"))
            there.use_rules("mail", ())
            there.switch("mail", certificate=None, scenario=None)
            until(lambda: first.policy.scenario is None and not first.rules)
    assert not [thread for thread in threading.enumerate() if thread.name == "smtpfix switches"]


def test_a_switch_that_cannot_be_stored_is_none(tmp_path, monkeypatch):
    server = Server(Policy())
    with closing(open_store(str(tmp_path / "mail.db"))) as store:
        switches = Switches(store, {"mail": server})

        def replace_setting(*_):
            raise StoreError("the disk is full")

        monkeypatch.setattr(store, "replace_setting", replace_setting)
        for change in (
            lambda: switches.switch("mail", certificate=None, scenario="greeting-554"),
            lambda: switches.add_rule("mail", "NOOP: 250"),
        ):
            with pytest.raises(StoreError):
                change()
    assert server.policy.is_good
    assert not server.rules


@pytest.fixture
def two(where):
    """Return what switches a server of each of two programs, which share a store and have not looked at it since."""
    with closing(open_store(where)) as one, closing(open_store(where)) as other:
        yield [(store, Switches(store, {"mail": Server(Policy())})) for store in (one, other)]


def test_what_two_programs_change_at_the_same_moment_counts_both(two, monkeypatch):
    """One changes the state after the other has read it, and before that one writes."""
    (store, here), (_, there) = two
    read, changes = store.setting, []

    def setting(key):
        found = read(key)
        if changes:
            changes.pop()()
        return found

    monkeypatch.setattr(store, "setting", setting)
    changes.append(lambda: there.add_rule("mail", "NOOP: 250 2.0.0 there"))
    here.add_rule("mail", "NOOP: 250 2.0.0 here")
    changes.append(lambda: there.switch("mail", certificate=None, scenario="greeting-554"))
    here.add_rule("mail", "RSET: 250 2.0.0 here")
    assert not changes
    assert [one["text"].split(":")[0] for one in here.rules("mail")][:3] == ["RSET", "NOOP", "NOOP"]
    assert here.state("mail").scenario == "greeting-554"
    ours, theirs = (one.id for one in here.state("mail").rules if one.text.startswith("NOOP"))
    changes.append(lambda: there.remove_rule("mail", theirs))
    assert here.remove_rule("mail", theirs) is False
    assert here.remove_rule("mail", ours)
    assert [one["text"] for one in here.rules("mail") if one["from"] == "page"] == ["RSET: 250 2.0.0 here"]


def test_a_change_that_others_never_let_through_is_none(two, monkeypatch):
    (store, here), _ = two
    monkeypatch.setattr(store, "replace_setting", lambda *_: False)
    with pytest.raises(StoreError, match="try again"):
        here.add_rule("mail", "NOOP: 250")
    assert not here.rules("mail")
