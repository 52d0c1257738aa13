"""What stands for a regular expression does what the expression does, and compiles it when it is first used."""

from __future__ import annotations

import re

from smtpfix.later import compiled_later


def test_an_expression_is_compiled_once_and_when_it_is_used():
    compiled = []
    word = compiled_later(lambda: compiled.append(1) or re.compile("[a-z]+", re.IGNORECASE))
    assert not compiled
    assert word.match("Ann Lee")[0] == "Ann"
    assert word.findall("Ann Lee") == ["Ann", "Lee"]
    assert word.pattern == "[a-z]+"
    assert compiled == [1]
