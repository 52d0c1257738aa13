"""`help` says what every field of the public values means, and where there is no source it says nothing."""

from __future__ import annotations

import dataclasses
import functools
import pickle
import pydoc

import pytest

import smtpfix
from smtpfix.field_docs import field_docs, show_in_help

VALUES = [name for name in smtpfix.__all__ if dataclasses.is_dataclass(getattr(smtpfix, name))]


def fields(cls):
    return [one.name for one in dataclasses.fields(cls) if not one.name.startswith("_")]


@functools.cache
def own(cls):
    return field_docs(cls)


def documented(cls):
    """Return what `help` can say: of a field that a subclass only gives another default, what the base class says."""
    found = {}
    for one in reversed(cls.__mro__):
        found.update({name: text for name, text in own(one).items() if name not in found})
    return found


@pytest.mark.parametrize("name", VALUES)
def test_help_says_what_each_field_means(name):
    cls = getattr(smtpfix, name)
    shown = pydoc.plain(pydoc.render_doc(cls))
    docs = documented(cls)
    assert [field for field in fields(cls) if not docs.get(field) or docs[field].partition("\n")[0] not in shown] == []


def test_help_on_one_field():
    assert "Who may log in" in pydoc.render_doc(smtpfix.Policy.users)
    assert "STARTTLS" not in pydoc.render_doc(smtpfix.Policy.users)


def test_fields_set_by_init_are_found():
    assert set(field_docs(smtpfix.Server)) >= {"policy", "inbox", "sessions"}
    assert "_lock" not in field_docs(smtpfix.Server)


def test_a_value_is_as_it_was():
    """Copies, pickles and subclasses read ``__slots__`` too."""
    rate = smtpfix.Rate(3, 60)
    assert pickle.loads(pickle.dumps(rate)) == dataclasses.replace(rate) == rate  # noqa: S301 - just written
    assert not hasattr(rate, "__dict__")

    @dataclasses.dataclass(frozen=True, slots=True)
    class Named(smtpfix.Rate):
        name: str = ""

    assert Named.__slots__ == ("name",)
    assert not hasattr(Named(3, 60), "__dict__")
    with pytest.raises(KeyError):
        smtpfix.Rate.__slots__["speed"]


def test_without_source_there_are_none():
    namespace = {"__name__": "nowhere"}
    exec('class Odd:\n    size: int = 0\n    """How big."""\n', namespace)  # noqa: S102 - a class without a file
    assert field_docs(namespace["Odd"]) == {}
    show_in_help(namespace["Odd"])
    show_in_help("not a class")
