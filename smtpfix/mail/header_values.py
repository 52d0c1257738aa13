"""The values of headers: parameters, encoded words, addresses. Each is read in one pass.

Knows octets and text; the time that each function takes grows with the length of what it is given, and no faster.
"""

from __future__ import annotations

import binascii
import itertools
import re
from collections.abc import Iterable, Iterator
from encodings.aliases import aliases
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from smtpfix.later import compiled_later

_CHARSETS: Final = frozenset(
    (
        *("ascii", "latin_1", "koi8_r", "koi8_t", "koi8_u", "kz1048", "ptcp154", "tis_620", "hp_roman8"),
        *(f"utf_{name}" for name in ("7", "8", "8_sig", "16", "16_be", "16_le", "32", "32_be", "32_le")),
        *(f"iso8859_{number}" for number in (*range(1, 12), *range(13, 17))),
        *(f"cp{number}" for number in ("037", 273, 424, 437, 500, 720, 737, 775, 850, 852, *range(855, 859))),
        *(f"cp{number}" for number in (*range(860, 867), 869, 874, 875, 932, 949, 950, 1006, 1026, 1125, 1140)),
        *(f"cp{number}" for number in range(1250, 1259)),
        *(f"mac_{name}" for name in ("arabic", "croatian", "cyrillic", "farsi", "greek", "iceland", "latin2", "roman")),
        *("mac_romanian", "mac_turkish", "big5", "big5hkscs", "gb2312", "gbk", "gb18030", "hz", "johab", "euc_kr"),
        *("shift_jis", "shift_jis_2004", "shift_jisx0213", "euc_jp", "euc_jis_2004", "euc_jisx0213"),
        *(f"iso2022_{name}" for name in ("jp", "jp_1", "jp_2", "jp_3", "jp_2004", "jp_ext", "kr")),
    )
)
"""Python's codecs of text. Of the others some are none, and punycode takes time that grows with the square."""
_LONGEST_CHARSET: Final = 40

_QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"?'
"""A quoted string (RFC 5322 section 3.2.4), also one that does not end."""
_OUTSIDE_COMMENTS: Final = compiled_later(lambda: re.compile(rf'{_QUOTED}|[()]|[^"()]++', re.DOTALL))
_INSIDE_COMMENTS: Final = compiled_later(lambda: re.compile(r"\\.|[()]|[^\\()]++|\\", re.DOTALL))
_UP_TO_SEMICOLON: Final = compiled_later(lambda: re.compile(rf'((?:[^";]++|{_QUOTED})*+)(?:;|\Z)', re.DOTALL))
_IN_ADDRESSES: Final = compiled_later(
    lambda: re.compile(
        rf'<((?:[^">]++|{_QUOTED})*+)>?|{_QUOTED}|\[[^\[\]\s<>",;]*+\]|[,;]++|:|[^"<\[,:;]++|\[', re.DOTALL
    )
)
"""What stands between angle brackets; a quoted string; a domain literal; what separates; anything else."""
_ESCAPED: Final = compiled_later(lambda: re.compile(r"\\(.)", re.DOTALL))
_MEDIA_TYPE: Final = compiled_later(lambda: re.compile(r"[^\s/]++/[^\s/]++"))
_NAME: Final = compiled_later(lambda: re.compile(r"([^*\s]++)(?:\*(0|[1-9][0-9]{0,3}))?(\*)?"))
"""A parameter's name, the number of its section, and whether it is percent-encoded (RFC 2231 section 4.1)."""
_WORD: Final = compiled_later(lambda: re.compile(r"=\?([^?\s]++)\?([bBqQ])\?([^?]*+)\?="))
"""An encoded word (RFC 2047 section 2)."""
_NOT_BASE64: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


class Value(NamedTuple):
    """A structured value such as Content-Type's."""

    main: str
    """What stands before the first semicolon, in lower case."""
    parameters: dict[str, str]
    """By name in lower case, decoded; the first of a name counts."""

    @property
    def media_type(self) -> str:
        """The media type it names; what has not the form of one means text (RFC 2045 section 5.2)."""
        return self.main if _MEDIA_TYPE.fullmatch(self.main) else "text/plain"


def structured(text: str) -> Value:
    """Take a value apart into what it says and its parameters (RFC 2045 section 5.1)."""
    if not text:
        return Value("", {})
    main, *parameters = _UP_TO_SEMICOLON.findall(outside_comments(text))
    return Value(main.strip().lower(), _parameters(parameters))


def raw_parameters(text: str) -> list[tuple[str, str]]:
    """Return a value's parameters as they stand: not decoded, those of RFC 2231 not put together, unquoted."""
    _, *pieces = _UP_TO_SEMICOLON.findall(outside_comments(text))
    split = ((name.strip(), equals, value.strip()) for name, equals, value in (one.partition("=") for one in pieces))
    return [(name, _unquoted(value)) for name, equals, value in split if name and equals]


def unfolded(text: str) -> str:
    """Return a value in one line (RFC 5322 section 2.2.3), without the blanks around it."""
    return text.replace("\r", "").replace("\n", "").strip()


def sound(text: str) -> str:
    """Return text with its octets outside ASCII read as UTF-8 (RFC 6532), and replaced where they are none."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decoded(octets: bytes, charset: str) -> str:
    """Decode text; what the charset has not is replaced, and an unknown charset is taken for UTF-8."""
    codec = re.sub("[^a-z0-9]+", "_", charset[:_LONGEST_CHARSET].lower()).strip("_")
    codec = aliases.get(codec, codec)
    return octets.decode(codec if codec in _CHARSETS else "utf-8", "replace")


def from_base64(octets: bytes) -> bytes:
    """Decode base64 (RFC 2045 section 6.8); what is not in its alphabet is skipped, and a half octet left out."""
    try:
        return binascii.a2b_base64(octets + b"===")
    except binascii.Error:
        kept = octets.translate(None, _NOT_BASE64)
        return binascii.a2b_base64(kept[: len(kept) // 4 * 4])


def words(text: str) -> str:
    """Decode the encoded words in a text; blanks between two of them are no part of it (RFC 2047 section 6.2)."""
    if "=?" not in text:
        return sound(text)
    pieces, end = [], 0
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        if not end or between.strip():
            pieces.append(sound(between))
        charset, encoding, encoded = match.groups()
        octets = encoded.encode("utf-8", "surrogateescape")
        octets = from_base64(octets) if encoding in "bB" else binascii.a2b_qp(octets, header=True)
        pieces.append(decoded(octets, charset.partition("*")[0]))  # after it stands a language, RFC 2231 section 5
        end = match.end()
    return "".join((*pieces, sound(text[end:])))


def misplaced_word(text: str, *, in_names: bool) -> str | None:
    """Return the first encoded word in a structured value that stands where none may (RFC 2047 section 5).

    It may stand in a comment, and with `in_names` in a display name that is not quoted.
    """
    if "=?" not in text:
        return None
    outside = outside_comments(text)
    places: Iterable[str] = (outside,)
    if in_names:
        pieces = (match[0] for match in _IN_ADDRESSES.finditer(outside))
        places = itertools.chain((piece for piece in pieces if piece[0] in '<"'), addresses(text))
    return next((match[0] for match in map(_WORD.search, places) if match is not None), None)


def outside_comments(text: str) -> str:
    """Return a value in one line, with a blank in the place of each comment (RFC 5322 section 3.2.2)."""
    return _without_comments(unfolded(text))


def addresses(text: str) -> Iterator[str]:
    """Yield the addresses in a list of mailboxes and groups (RFC 5322 section 3.4), without their display names."""
    return (address for _, address in mailboxes(text))


def mailboxes(text: str) -> Iterator[tuple[str, str]]:
    """Yield the mailboxes in such a list, each as its display name, as it stands there, and its address."""
    in_brackets: str | None = None
    others: list[str] = []
    for match in itertools.chain(_IN_ADDRESSES.finditer(outside_comments(sound(text))), (None,)):
        piece = "," if match is None else match[0]
        if piece[0] in ",;" or (piece[0] == "<" and in_brackets is not None):  # some forget what separates
            if address := _bare(others) if in_brackets is None else _routeless(in_brackets):
                yield "" if in_brackets is None else "".join(others).strip(), address
            in_brackets, others = None, []
        if piece == ":":  # before it stood a group's name
            in_brackets, others = None, []
        elif match is not None and match[1] is not None:
            in_brackets = match[1]
        elif piece[0] not in ",;":
            others.append(piece)


def shown_name(text: str) -> str:
    """Return a display name (RFC 5322 section 3.4) as people read it: without quotes, its encoded words decoded."""
    return words(_unquoted(text)).strip()


def normal(address: str) -> str:
    """Return an address as it compares: a domain's case says nothing, a local part's may (RFC 5321 section 2.4)."""
    local_part, at, domain = address.rpartition("@")
    return f"{local_part}{at}{domain.lower()}"


def _bare(pieces: list[str]) -> str:
    """Return what may be an address without angle brackets: one word, blanks only beside its ``@`` and dots."""
    text = "".join(pieces).strip()
    if '"' in text:
        return text if text.startswith('"') and "@" in text else ""
    parts = text.split()
    if any(before[-1] not in "@." and behind[0] not in "@." for before, behind in itertools.pairwise(parts)):
        return ""
    return "".join(parts)


def _routeless(text: str) -> str:
    """Return an address without the route that may stand before it (RFC 5322 section 4.4)."""
    address = text.strip()
    if address.startswith("@"):
        address = address.partition(":")[2]
    return address if '"' in address else "".join(address.split())


def _without_comments(text: str) -> str:
    """Return a value with a blank in the place of each comment (RFC 5322 section 3.2.2)."""
    if "(" not in text:
        return text
    kept, depth, at = [], 0, 0
    while at < len(text):
        match = (_INSIDE_COMMENTS if depth else _OUTSIDE_COMMENTS).match(text, at)
        assert match is not None  # noqa: S101 - both patterns take anything
        at = match.end()
        if match[0] == "(":
            depth += 1
        elif not depth:
            kept.append(match[0])
        elif match[0] == ")":
            depth -= 1
            kept.append(" ")
    return "".join(kept)


def _parameters(pieces: Iterable[str]) -> dict[str, str]:
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for piece in pieces:
        name, equals, text = piece.partition("=")
        match = _NAME.fullmatch(name.strip().lower())
        if not equals or match is None:
            continue
        value = _unquoted(text.strip())
        if match[2] is None and match[3] is None:
            plain.setdefault(match[1], words(value))
        else:
            sections.setdefault(match[1], {}).setdefault(int(match[2] or 0), (match[3] is not None, value))
    return {name: _joined(parts) for name, parts in sections.items()} | plain


def _joined(sections: dict[int, tuple[bool, str]]) -> str:
    """Put the sections of a parameter together (RFC 2231 sections 3 and 4); the first one names the charset."""
    charset, octets = "utf-8", []
    for number, (is_encoded, text) in sorted(sections.items()):
        value = text
        if is_encoded and not number and value.count("'") >= 2:  # noqa: PLR2004 - around the language
            charset, _, value = value.split("'", 2)
        raw = value.encode("utf-8", "surrogateescape")
        octets.append(unquote_to_bytes(raw) if is_encoded else raw)
    return decoded(b"".join(octets), charset)


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:].removesuffix('"')) if text.startswith('"') else text
