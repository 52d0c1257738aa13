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
        known = store.setting

        def setting(key, *value):
            if value:
                raise StoreError("the disk is full")
            return known(key)

        monkeypatch.setattr(store, "setting", setting)
        for change in (
            lambda: switches.switch("mail", certificate=None, scenario="greeting-554"),
            lambda: switches.add_rule("mail", "NOOP: 250"),
        ):
            with pytest.raises(StoreError):
                change()
    assert server.policy.is_good
    assert not server.rules
