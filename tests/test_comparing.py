"""Values that are compared, hashed and shown by their fields as a dataclass's are."""

from __future__ import annotations

from dataclasses import dataclass, field

from smtpfix.comparing import Compared


@dataclass(frozen=True, repr=False, eq=False)
class Ours(Compared):
    name: str
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)
    table: dict[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Theirs:
    name: str
    secret: str = field(default="", repr=False)
    note: str = field(default="", compare=False)
    table: dict[str, int] = field(default_factory=dict, hash=False)


VALUES = (("ann",), ("ann", "x"), ("ann", "x", "y"), ("ann", "x", "y", {"z": 1}), ("bob",))


def test_they_equal_each_other_where_a_dataclass_would():
    for one in VALUES:
        for other in VALUES:
            assert (Ours(*one) == Ours(*other)) == (Theirs(*one) == Theirs(*other))
            assert (hash(Ours(*one)) == hash(Ours(*other))) == (hash(Theirs(*one)) == hash(Theirs(*other)))
    assert Ours("ann") != Theirs("ann")


def test_they_are_shown_as_a_dataclass_is():
    for value in VALUES:
        assert repr(Ours(*value)) == repr(Theirs(*value)).replace("Theirs", "Ours")
