"""What type checkers are told is what there is when the program runs; that they find faults, `type_usage.py` shows."""

from __future__ import annotations

import inspect
import typing
from dataclasses import fields

from smtpfix import Inbox, Policy, PolicyFields, RunAudit, Stage, StartServer, audit_client
from smtpfix.policy.protocol import load_language
from smtpfix.policy.scenario import PROTOCOLS


def test_policy_fields_are_the_fields_of_a_policy_with_their_types():
    annotated = {name: hint.__forward_arg__ for name, hint in PolicyFields.__annotations__.items()}
    assert annotated == {item.name: item.type for item in fields(Policy) if not item.name.startswith("_")}
    assert not PolicyFields.__required_keys__


def test_the_stages_are_those_of_the_protocols():
    languages = [load_language(protocol) for protocol in PROTOCOLS]
    assert set(typing.get_args(Stage)) == {stage for language in languages for stage in language.stages}


def test_an_audit_in_a_test_takes_what_an_audit_takes_and_two_things_more():
    told = inspect.signature(RunAudit.__call__).parameters
    known = inspect.signature(audit_client).parameters
    assert set(told) - {"self", "grade", "deviations"} == set(known)
    for name, parameter in known.items():
        assert (told[name].annotation, told[name].kind) == (parameter.annotation, parameter.kind)
        assert told[name].default in (parameter.default, ...)


def test_the_fixtures_take_what_their_type_says(start_smtp_server, smtp_server_factory):
    assert {"policy", "inbox", "like", "fields"} < set(inspect.signature(StartServer.__call__).parameters)
    for start in (start_smtp_server, smtp_server_factory):
        inbox = Inbox()
        server = start(policy="implicit-tls", inbox=inbox, like="gmail", size_limit=7)
        assert (server.mode, server.policy.size_limit, server.inbox) == ("implicit-tls", 7, inbox)
        assert "CHUNKING" in server.policy.offer
