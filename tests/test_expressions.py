"""Every regular expression of the project is in the table here, and takes no long time whatever it is given.

Either foreign octets reach it, and it is measured with what may make it go back and try again: what it may begin with,
then a character, or at small sizes a pair of characters, of its own source again and again, and an end that it does not
expect. Or they do not, and the table says why.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import resolve_name

import pytest
from growth import assert_linear, assert_no_explosion

from smtpfix import InvalidValueError, Reply, Rule
from smtpfix.later import CompiledLater
from smtpfix.mail.header_values import decoded
from smtpfix.smtp import content, xclient

ROOT = Path(__file__).parents[1]
FUNCTIONS = ("compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")
"""What in `re` takes an expression."""
MENTIONED = re.compile(rf"\.({'|'.join(FUNCTIONS)})\b|\bfrom re\b")
SIZE = 8_192

OURS = {
    **dict.fromkeys(
        (
            *("policy.certificate_profile._BRACED", "policy.limits._RATE", "policy.server_policy._DOMAIN"),
            *("policy.catalogue._SPECIAL", "smtp.policy._EHLO_LINE", "smtp.replies.PLACEHOLDER"),
            *("smtp.edits._KEYWORD", "smtp.edits._CONTROL", "smtp.edits.Advertise", "smtp.edits.Hide.edited"),
            *("rules.notation._ESCAPE", "rules.notation.Form.word", "rules.reply._ENHANCED", "rules.rule._STAGE"),
            *("rules.rule.Rule.__post_init__", "rules.text._TIMES", "rules.text._TOKENS"),
            *("rules.written_conditions._CONDITIONS", "rules.written_conditions._PERCENT"),
            *("rules.written_conditions._COUNT", "rules.written_conditions._NUMBER"),
            "rules.written_conditions._mistyped",
            *("login.hashed._APR1", "login.hashed.is_hashed"),
            *(
                "rules.edits.Edit.__post_init__",
                "rules.elsewhere._CHANGE",
                "rules.status._CODE",
                "rules.status._CONTROL",
                "rules.status._TEXT",
                "rules.text.grammar",
                "rules.text._split_head",
                "rules.text._action",
                "smtp.language._REPLY",
                "imap.status._WORD",
                "web.outgoing.Relay.__post_init__",
                "web.outgoing.Relay.refusal",
            ),
        ),
        "policies, rules and catalogue files are written by whoever starts the server",
    ),
    **dict.fromkeys(
        (
            *(
                "audit.family._NAME",
                "audit.report.as_sarif._DRIVE",
                "cli.listening._LISTENER",
                "cli.option_names._IN_PYTHON",
                "cli.probe._WHERE",
            ),
            *("cli.save._MESSAGE", "cli.save._SESSION", "redirecting._PLACE"),
        ),
        "options and names of files are those of whoever starts the program",
    ),
    **dict.fromkeys(
        ("audit.asked._ADDRESS_ENDS", "audit.asked._SUBJECT", "audit.report.as_html._OTHER"),
        "it reads a scenario's own words",
    ),
    **dict.fromkeys(
        ("erasing.Eraser.__init__", "erasing._ESCAPED"),
        "it is the declared password's own, or its forms literally: nothing is repeated",
    ),
    "tls.side._CLIENT_ALERT": "it reads the names of OpenSSL's own errors",
    "tls.side._CERTIFICATE_PEM": "it reads the server's own certificates",
}
"""Where no foreign octets come, and why."""

FOREIGN: dict[str, tuple[str, ...]] = {
    "audit.acted._CODE": ("", "250", "\n250"),
    "audit.encodings._SOFT_BREAK": ("",),
    "audit.encodings._WHITE": ("",),
    "audit.evidence._AUTH": ("",),
    "audit.evidence._ENVELOPE": ("", "MAIL FROM"),
    "audit.evidence._HEADER": ("", "Subject:"),
    "audit.report.as_sarif._MARKUP": ("",),
    "audit.report.words._NOT_IN_XML": ("",),
    "audit.wire._CLIENT_HELLO": ("", "\x16\x03\x01"),
    "conversation.login._BASE64": ("", "AAAAAA", "AAAAAA="),
    "erasing._BASE64": ("", "AAAA", "AAAA="),
    "audit.copying._COPY": ("", "a1 ", "a1 UID COPY "),
    "audit.copying._TAKES_AWAY": ("", "a1 "),
    "audit.reading._FETCHES_MAIL": ("", "a1 ", "a1 FETCH 1 "),
    "imap.credentials._HEAD": ("", "a", "a ", "a LOGIN"),
    "imap.credentials._WORD": ("", "PLAIN"),
    "imap.cursor.LITERAL": ("", "{", "~{12"),
    "imap.cursor._ASTRING": ("",),
    "imap.cursor._ATOM": ("",),
    "imap.cursor._ESCAPED": ("",),
    "imap.cursor._LIST_MAILBOX": ("",),
    "imap.cursor._NUMBER": ("",),
    "imap.cursor._QUOTED": ('"',),
    "imap.cursor._SET": ("",),
    "imap.cursor._SPACES": ("",),
    "imap.cursor._TAG": ("",),
    "imap.fields._ESCAPED": ("",),
    "imap.fields._FIELD": ("", "a", "a:", "a: b\n "),
    "imap.fields._IN_COMMENT": ("",),
    "imap.fields._LINE_END": ("",),
    "imap.fields._PIECE": ("", '"', "["),
    "imap.fields._USUAL": ("", "a ", "a <", "a <b@", "a@"),
    "imap.folders._NOT_IN_NAMES": ("", "a"),
    "imap.items._NAME": ("",),
    "imap.literals._ESCAPED": ("",),
    "imap.literals._KEPT": ("",),
    "imap.literals._MAILBOX": ("", "* LIST ", "* LIST () ", "* STATUS "),
    "imap.literals._PLACE": ("", '"', "{1"),
    "imap.message_text._SPACE": ("",),
    "imap.appending._DATE_TIME": ("", "1", "17-Jul-2030 02:44:25 "),
    "imap.names._NOT_PLAIN": ("",),
    "imap.names._SHIFTED": ("", "&"),
    "imap.reading._REFUSAL": ("", "a", "a "),
    "imap.search._DATE": ("", "1-Feb-"),
    "imap.state._ANNOUNCED": ("", "{1"),
    "imap.structure._COMMA": ("", "a"),
    "imap.structure._TRAILING_SPACE": ("", "a"),
    "imap.violations._OFFERED": ("", "a", "* CAPABILITY ", "a OK [CAPABILITY "),
    "imap.writing._ASTRING": ("",),
    "imap.writing._NOT_QUOTED": ("",),
    "login.exchange._NAME": ("", "PLAIN"),
    "login.mechanisms.CramMD5._RESPONSE": ("", "ann "),
    "login.mechanisms.OAuthBearer._GS2_HEADER": ("n,", "n,a="),
    "login.mechanisms.XOAuth2._RESPONSE": ("user=", "user=a\x01auth="),
    "login.mechanisms._B64TOKEN": ("", "a="),
    "login.scram._FINAL": ("c=", "c=a,r=b", "c=a,r=b,a=c"),
    "login.scram._FIRST": ("n,a=", "p=", "n,,m=", "n,,n=", "n,,n=a,r=b"),
    "mail.bodies._UU_BEGIN": ("", "begin 644", "begin 644 a"),
    "mail.header_values._codec": ("",),
    "mail.header_values._ESCAPED": ("",),
    "mail.header_values._INSIDE_COMMENTS": ("",),
    "mail.header_values._IN_ADDRESSES": ("", "<", '"', "["),
    "mail.header_values._MEDIA_TYPE": ("", "a/"),
    "mail.header_values._NAME": ("", "a*", "a*1"),
    "mail.header_values._OUTSIDE_COMMENTS": ("", '"'),
    "mail.header_values._UP_TO_SEMICOLON": ("", '"', 'a="'),
    "mail.header_values._WORD": ("", "=?", "=?utf-8?q?"),
    "mail.header_violations._DATE": ("", "Mon, ", "1 Jan 2030", "1 Jan 2030 10:00"),
    "mail.links._ATTRIBUTE": ("", "href", "href=", 'href="'),
    "mail.links._LONG_REFERENCE": ("", "&#", "&#1234567"),
    "mail.links._MARKUP": ("", "<", "<!--", "<a", '<a href="', "<a href=", "<a '"),
    "mail.links._TEXT_END": ("", "</", "</title"),
    "mail.links._URL": ("", "http", "http://"),
    "mail.mime._DASHES": ("", "\n--"),
    "mail.mime._EMPTY_LINE": ("",),
    "mail.mime._MAILBOX_LINE": ("", "From "),
    "mail.mime._MIME_FIELD": ("", "Content-", "Content-Type:", "Content-Type:\n "),
    "mail.mime._NO_FIELD": ("", "a", "a:"),
    "mail.parsing._CONTENT_TYPE": ("", "Content-Type:", "Content-Type: multipart/"),
    "mail.parsing._EMPTY_LINE": ("",),
    "mail.parsing._SUBJECT": ("", "A:", "Subject: ", "Subject: a", "A: b\r\nSubject: c"),
    "mail.violations.BARE_CR": ("",),
    "mail.violations.BARE_LF": ("",),
    "mail.violations.END_LIKE": ("", "\r\n\0", "\r."),
    "mail.violations.END_OF_HEADERS": ("", "\r"),
    "pop3.credentials._VERB": ("", "PASS", "\0"),
    "pop3.credentials._WORD": ("",),
    "rules.reply._CONTROL": ("",),
    "rules.rule.Rule._check_conditions": ("", "TO:<"),
    "rules.rule.Rule.applies_to": ("", "TO:<"),
    "safe_text._UNPRINTABLE": ("",),
    "smtp.arguments._PARAMETER": ("", "a", "a="),
    "smtp.arguments._PATH": ("", "<", '<"', "<a>", "<a> "),
    "smtp.arguments._PLAIN": ("", "FROM:", "TO:<", "TO:<a@", "TO:<a@b.", "TO:<a@b>", "TO:<a@b> "),
    "smtp.arguments._SOURCE_ROUTE": ("@", "@a,@"),
    "smtp.arguments._VALUES": ("", "<>", "+"),
    "smtp.chunks._ARGUMENT": ("", "1", "1 "),
    "smtp.content.ends_of_line": ("",),
    "smtp.credentials._COMMAND": ("", "AUTH", "AUTH ", "\0", "\0AUTH"),
    "smtp.credentials._WORD": ("", "AUTH"),
    "smtp.extensions.VALUES": ("", "a;", "utf-8;", "0", "SUCCESS,", "2030-01-31T12:00:00."),
    "smtp.grammar._BRACKETS": ("", "<", '<"', "<\\"),
    "smtp.grammar._CONTROL": ("", "+", "+0"),
    "smtp.grammar._HELLO": ("", "a", "a-", "a.", "[", "[1.", "[a:"),
    "smtp.grammar._PATHS": ("<", '<"', "<@a,", "<@a:b", "<a@", "<a@b.", "<a@[", "<a@[a:"),
    "smtp.lines._CONTROL": ("",),
    "smtp.xclient._NAME": ("", "a."),
    "smtp.xclient._TEXT": ("",),
    "smtp.xclient._XTEXT": ("", "+"),
    "smtp.xclient._value": ("", "+"),
    "web.extract._CODE": ("", "1234", "A1", "AAAA1"),
    "web.extract._WORD": ("", "code"),
    "web.guard._SLASHES": ("",),
    "web.render._CID": ("", "cid:"),
    "web.render._LINK": ("", "<a"),
    "wire.proxy_header._LINE": ("PROXY TCP4 ", "PROXY TCP4 1", "PROXY TCP4 1 2 3 "),
    "wire.proxy_header._UNKNOWN": ("PROXY UNKNOWN", "PROXY UNKNOWN "),
}
"""Where foreign octets come, and how what is hostile may begin."""


def _xclient(text: str) -> None:
    for attribute in ("helo", "port"):
        with contextlib.suppress(InvalidValueError):
            xclient._value(attribute, text)


FUNCTIONS_AROUND: dict[str, Callable[[str], object]] = {
    "mail.header_values._codec": lambda text: decoded(b"", text),
    "rules.rule.Rule._check_conditions": Rule("RCPT", (Reply(450),), argument="*a*b@*.c").applies_to,
    "rules.rule.Rule.applies_to": Rule("RCPT", (Reply(450),), argument="*x").applies_to,
    "smtp.content.ends_of_line": lambda text: content.ends_of_line(text.encode("latin-1", "replace")),
    "smtp.xclient._value": _xclient,
}
"""What is measured where the expression stands in the middle of a function."""
USUAL = (*"a1.,;:@<>()[]\"'\\=?-+*/ \t\r\n\0\xff", "\r\n", "a ", "a.", "a-", "\n ", "--")


class _Expressions(ast.NodeVisitor):
    """Finds the uses of `re` in a module, by the constant, or else the function, they stand in."""

    def __init__(self, module: str) -> None:
        self._path = [module]
        self.found: set[str] = set()
        self.methods: dict[str, set[str]] = defaultdict(set)
        """By a constant's name, what is called of it."""

    def _inside(self, node: ast.AST, name: str) -> None:
        self._path.append(name)
        self.generic_visit(node)
        self._path.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside(node, node.name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(node, node.name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assigned(node, node.targets[0])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._assigned(node, node.target)

    def _assigned(self, node: ast.AST, target: ast.AST) -> None:
        if isinstance(target, ast.Name) and target.id.isupper():
            self._inside(node, target.id)
        else:
            self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.module != "re", f"{self._path[0]}: say re.compile, so that it is found"

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in FUNCTIONS:
            of = node.value
            if isinstance(of, ast.Name) and of.id == "re":
                self.found.add(".".join(self._path))
            elif isinstance(of, ast.Name | ast.Attribute):
                self.methods[of.id if isinstance(of, ast.Name) else of.attr].add(node.attr)
        self.generic_visit(node)


@functools.cache
def _modules() -> dict[str, _Expressions]:
    found = {}
    for folder, prefix in (("smtpfix", ()), ("conftest_plugin", ("conftest_plugin",))):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join((*prefix, *path.relative_to(ROOT / folder).with_suffix("").parts))
            text = path.read_text(encoding="utf-8")
            if MENTIONED.search(text):  # to take apart all of the others as well takes half a second
                found[name] = _Expressions(name)
                found[name].visit(ast.parse(text))
    return found


@pytest.mark.once
def test_every_regular_expression_is_in_the_table():
    found = {name for module in _modules().values() for name in module.found}
    assert found - {*OURS, *FOREIGN} == set(), "measure it, in FOREIGN, or say in OURS why no foreign octets reach it"
    assert {*OURS, *FOREIGN} - found == set(), "what is not there any more"
    assert {*OURS} & {*FOREIGN} == set()


def _patterns(value: object) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    if isinstance(value, re.Pattern | CompiledLater):
        yield value
    elif isinstance(value, dict | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _patterns(one)


def _work(pattern: re.Pattern, method: str) -> Callable[[str], object]:
    """Return what has a pattern look at a text, in the way in which the project does."""

    def work(text: str) -> object:
        given = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
        if method in ("sub", "subn"):
            return getattr(pattern, method)(given[:0], given)
        found = getattr(pattern, method)(given)
        return sum(1 for _ in found) if method == "finditer" else found

    return work


def _measured(name: str) -> Iterator[tuple[Callable[[str], object], str]]:
    """Yield what is to be measured, each with the source of its expression."""
    if name in FUNCTIONS_AROUND:
        yield FUNCTIONS_AROUND[name], ""
        return
    module = next(module for module in _modules() if name.startswith(f"{module}."))
    constant = name.rpartition(".")[2]
    methods = _modules()[module].methods.get(constant) or {
        method for other in _modules().values() for method in other.methods.get(constant, ())
    }
    patterns = list(_patterns(resolve_name(f"smtpfix.{module}:{name.removeprefix(f'{module}.')}")))
    assert patterns
    for pattern in patterns:
        source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
        for method in sorted(methods - {"compile"}) or ["match"]:
            yield _work(pattern, method), source


@pytest.mark.parametrize("name", FOREIGN)
def test_a_regular_expression_takes_time_that_grows_with_what_it_is_given_and_no_faster(name):
    for work, source in _measured(name):
        for begin in FOREIGN[name]:
            _measure(work, source, begin)


def _measure(work: Callable[[str], object], source: str, begin: str, size: int = SIZE, clear: float = 0.002) -> None:
    pairs = {source[at : at + 2] for at in range(len(source) - 1)}

    def text(unit: str, size: int) -> str:
        return f"{begin}{unit * (size // len(unit))}\0"

    for unit in sorted({*USUAL, *source, *pairs}):
        try:
            assert_no_explosion(lambda size, unit=unit: work(text(unit, size)))
            if len(unit) == 1 or unit in USUAL:
                assert_linear(lambda size, unit=unit: functools.partial(work, text(unit, size)), size, clear=clear)
        except AssertionError as error:
            raise AssertionError(f"{begin!r}, {unit!r} again and again: {error}") from None


@pytest.mark.once
@pytest.mark.parametrize(
    ("source", "begin", "unit"),
    [
        (r"(?im)^\s*auth", "", "\n"),  # what once held every client up
        (r"(<>|[!-*,-<>-~]|\+[0-9A-F]{2})+\Z", "", "<>"),  # what AUTH= of MAIL once was
        (r"(?:a|b|ab)*c", "", "ab"),
        (r"\s*\s*\s*x", "", " "),
    ],
)
def test_an_expression_that_goes_back_and_tries_again_is_found(source, begin, unit):
    with pytest.raises(AssertionError, match=r"again and again: .* (for a size of|times as long as)"):
        _measure(_work(re.compile(source), "search"), source, begin, SIZE // 2, 0.0005)  # these are found sooner
