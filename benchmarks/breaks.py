"""Small breaks of the source that the tests have to notice: what `mutation` applies, one at a time.

Each is a text that stands exactly once in its folder, and what stands there instead. A text that is gone, or there
twice, is an error, so that the list cannot rot: write down where it went.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Break(NamedTuple):
    """One change of the source."""

    folder: str
    """The wing it is in, or one file."""
    old: str
    """As it stands in one of the folder's modules, and in one place."""
    new: str
    what: str
    """What a server, a client or a report does then, in a few words."""


BREAKS: Final = (
    # settings, and what else leads applications to a server
    Break(
        "smtpfix/settings",
        "if mode.has_starttls:",
        "if mode is Mode.STARTTLS:",
        "an application is told that a server which requires TLS has none",
    ),
    Break(
        "smtpfix/settings",
        """quote(text or "", safe="", """,
        """quote(text or "", """,
        "a password with a slash ends the URL",
    ),
    Break(
        "smtpfix/redirecting.py",
        "with to.also_named(*(host for host, _ in found)), leading(*routes):",
        "with leading(*routes):",
        "a place that is hard-coded leads to a certificate of another name",
    ),
    Break(
        "smtpfix/resolver.py",
        "    _CONNECTIONS.add(routes)\n",
        "    _CONNECTIONS.add(())\n",
        "asyncio connects to a hard-coded address, and the mail leaves the machine",
    ),
    Break(
        "smtpfix/policy",
        """        return f"<PEM, {self.count(_CERTIFICATE)} certificates>"\n""",
        "        return bytes.__repr__(self)\n",
        "a policy's text shows the key that it was given",
    ),
    Break(
        "smtpfix/wire",
        "            self._path.chmod(0o600)  # nobody can have connected yet\n",
        "",
        "every user of the machine can deliver to a UNIX socket",
    ),
    Break(
        "smtpfix/wire",
        "error.errno != errno.EADDRINUSE or not self._is_stale()",
        "error.errno != errno.EADDRINUSE",
        "a server takes the UNIX socket of another that runs",
    ),
    Break(
        "smtpfix/cli",
        "={shlex.quote(value)}",
        "={value}",
        "a shell runs what is in a password",
    ),
    # wire
    Break(
        "smtpfix/wire",
        "connected.fileno() >= self._most",
        "connected.fileno() < 0",
        "idle clients take the file descriptors that a message is saved with",
    ),
    Break(
        "smtpfix/wire",
        "                self._loop.remove_reader(listening)\n",
        "",
        "a server that cannot accept is called again and again",
    ),
    Break(
        "smtpfix/wire",
        "with self._lock:  # who knocks at the first one has to wait until all are watched",
        "with contextlib.nullcontext():",
        "a client that comes while a server starts breaks it",
    ),
    Break(
        "smtpfix/wire",
        "            if not self._is_used and not self._is_closed:\n",
        "            if not self._is_closed:\n",
        "a server that closes forgets the clients that it has",
    ),
    Break(
        "smtpfix/wire",
        "data = memoryview(data)[sent:]",
        "data = memoryview(data)",
        "what a client does not take at once is sent twice",
    ),
    Break(
        "smtpfix/wire",
        "        self._is_closing = True\n        if not self._waiting:\n            self._end(None)\n",
        "        self._is_closing = True\n        self._end(None)\n",
        "a connection that closes drops what its client has still to read",
    ),
    Break(
        "smtpfix/wire",
        "            self._is_full = True\n            self._protocol.pause_writing()\n",
        "            self._is_full = True\n",
        "a client that does not read makes the server's memory grow",
    ),
    Break(
        "smtpfix/wire",
        "        del self._protocol  # which has",
        "        self._protocol  # which has",
        "each connection leaves a circle for the garbage collector",
    ),
    Break(
        "smtpfix/wire",
        "self._full(True)",
        "self._full(False)",
        "a client makes the replies grow that drip",
    ),
    Break(
        "smtpfix/wire",
        "        self.received.clear()\n        self._tls = tls\n",
        "        self._tls = tls\n",
        "what came in clear after STARTTLS is a command inside TLS",
    ),
    Break(
        "smtpfix/wire",
        "call_later(every, self._next)",
        "call_later(0, self._next)",
        "what has to drip leaves at once",
    ),
    Break(
        "smtpfix/wire",
        "self._rest(nbytes / self._rate)",
        "self._rest(0)",
        "a throttled connection reads as fast as any other",
    ),
    Break(
        "smtpfix/wire",
        "if notify and self._tls is not None",
        "if self._tls is not None",
        "a connection that is to be truncated says close_notify",
    ),
    Break(
        "smtpfix/wire",
        "LONGEST_LINE: Final = 107",
        "LONGEST_LINE: Final = 108",
        "a PROXY line may be one octet longer",
    ),
    Break(
        "smtpfix/wire",
        "shown = bool(value[0] & 0x06)",
        "shown = bool(value[0] & 0x01)",
        "TLS alone passes for a client certificate in a PROXY header",
    ),
    # tls
    Break(
        "smtpfix/tls",
        "return 20 <= first[0] <= 23 or first[0] >= 0x80",
        "return 20 <= first[0] <= 23",
        "an SSL 2.0 ClientHello is clear text",
    ),
    Break(
        "smtpfix/tls",
        "range(0x0A0A, 0x10000, 0x1010)",
        "range(0x000A, 0x10000, 0x0010)",
        "real cipher suites are left out as GREASE",
    ),
    Break(
        "smtpfix/tls",
        "Alert(sender, name, level == _FATAL)",
        "Alert(sender, name, is_fatal=True)",
        "a closing alert is fatal",
    ),
    Break(
        "smtpfix/tls",
        'sender = "client" if where & SSL.SSL_CB_READ else "server"',
        'sender = "server" if where & SSL.SSL_CB_READ else "client"',
        "with a staple, alerts are the other side's",
    ),
    Break(
        "smtpfix/tls",
        'settings.macNames = ["sha", "md5"]',
        'settings.cipherNames += ["aes128"]',
        "a server that is to know RC4 alone knows AES too",
    ),
    Break(
        "smtpfix/tls",
        'if name == "tls-unique" and self._object.version() != "TLSv1.3":',
        'if name == "tls-unique":',
        "tls-unique is had from TLS 1.3",
    ),
    # pki
    Break(
        "smtpfix/pki",
        "signature[:-1] + bytes((signature[-1] ^ 1,))",
        "signature",
        "the corrupt signature is a good one",
    ),
    Break(
        "smtpfix/pki",
        "sent += reversed(middle)",
        "sent += middle",
        "intermediates in the wrong order are sent in the right one",
    ),
    Break(
        "smtpfix/pki",
        "(x509.BasicConstraints(profile.ca, profile.path_length), True)",
        "(x509.BasicConstraints(profile.ca, None), True)",
        "no path is too long",
    ),
    Break(
        "smtpfix/pki",
        "status.UNKNOWN if revoked is None else status.REVOKED if revoked else status.GOOD",
        "status.REVOKED if revoked else status.GOOD",
        "an OCSP responder vouches for what nobody has issued",
    ),
    Break(
        "smtpfix/pki",
        "for serial, is_revoked in self._revoked.items() if is_revoked]",
        "for serial, is_revoked in self._revoked.items()]",
        "every certificate is in the CRL",
    ),
    Break(
        "smtpfix/pki",
        'profile.unknown_extension == "critical"))',
        "False))",
        "an extension nobody knows is never critical",
    ),
    # policy
    Break(
        "smtpfix/policy",
        "return now + timedelta(days=value)",
        "return now + timedelta(days=abs(value))",
        "nothing has begun, or is over, in the past",
    ),
    Break(
        "smtpfix/policy",
        'return dict(self.expected_by_mode).get(mode, "accept" if never_met else self.expected)',
        "return dict(self.expected_by_mode).get(mode, self.expected)",
        "a client without TLS is expected to refuse certificates",
    ),
    Break(
        "smtpfix/policy",
        "(in_tls or name not in SCRAM_PLUS)",
        "True",
        "mechanisms that bind to TLS are offered outside it",
    ),
    Break(
        "smtpfix/policy",
        "if TLS_VERSIONS.index(self.tls_min) > TLS_VERSIONS.index(self.tls_max):",
        "if TLS_VERSIONS.index(self.tls_min) >= TLS_VERSIONS.index(self.tls_max):",
        "a policy with one TLS version is refused",
    ),
    Break(
        "smtpfix/policy",
        "return self.verify_code == _VERIFIED and self.error is None",
        "return self.verify_code == _VERIFIED",
        "a handshake that fails for another reason than its certificate is expected to complete",
    ),
    Break(
        "smtpfix/policy",
        "strict and self.strict_verify_code is not None",
        "self.strict_verify_code is not None",
        "the strict verify code is the plain one",
    ),
    # rules
    Break(
        "smtpfix/rules",
        "if self.octets != moment.octets:",
        "if self.octets > moment.octets:",
        "a rule inside the content answers at every later mark",
    ),
    Break("smtpfix/rules", "if met <= rule.after:", "if met < rule.after:", "a rule begins one turn too early"),
    Break("smtpfix/rules", "fired >= rule.times", "fired > rule.times", "a rule answers once too often"),
    Break(
        "smtpfix/rules",
        "return Script(self.language, (rule, *self.rules))",
        "return Script(self.language, (*self.rules, rule))",
        "an older rule wins",
    ),
    Break(
        "smtpfix/rules",
        "book.use(Script(self._language, (*new, *kept)))",
        "[book.use(Script(self._language, rules)) for rules in (kept, (*new, *kept))]",
        "a session meets a part of a set of rules",
    ),
    Break(
        "smtpfix/rules",
        "lambda _: Disconnect(notify=False)",
        "lambda _: Disconnect()",
        "truncate, as text, closes in order",
    ),
    Break(
        "smtpfix/rules",
        "return self.times is None\n",
        "return False\n",
        "something may follow a Repeat without end",
    ),
    # login
    Break(
        "smtpfix/login",
        "if self.authorization_identity not in (None, self.user):",
        'if self.authorization_identity == "":',
        "whoever logs in may act as anybody",
    ),
    Break(
        "smtpfix/login",
        "one.value == self.token and one.is_valid()",
        "one.value == self.token",
        "an expired token is good",
    ),
    Break(
        "smtpfix/login",
        "if given != bound:",
        "if len(given) < len(bound):",
        "a login bound to another channel is good",
    ),
    Break(
        "smtpfix/login",
        'self.is_plus or (first["flag"] == b"y" and self._offers_binding)',
        "self.is_plus",
        "who takes the binding out of what is offered is not noticed",
    ),
    Break(
        "smtpfix/login",
        'said = [self._response or b"", *said]',
        "said = said",
        "a password is taken for the user whose name came with the command",
    ),
    Break(
        "smtpfix/login",
        'if user.count(b"\\0") == 2:',
        "if False:",
        "a password is in the name of who answers LOGIN as if it were PLAIN",
    ),
    Break(
        "smtpfix/conversation",
        "        self._in_force = _InForce(service, _recorded(self._protocol, service.policy))\n\n    @property",
        "        now = _InForce(service, _recorded(self._protocol, service.policy))\n"
        "        self._loop.call_soon_threadsafe(setattr, self, '_in_force', now)\n\n    @property",
        "a switch of policy does not hold for clients that are let in at the same time",
    ),
    Break(
        "smtpfix/conversation",
        "        self._recorder.is_wary = True\n        refusal = self.refuse()\n        connection",
        "        refusal = self.refuse()\n        connection",
        "what comes after an AUTH that was refused is shown",
    ),
    # imap
    Break(
        "smtpfix/imap",
        "expunge=name not in _KEEPS_NUMBERS",
        "expunge=True",
        "sequence numbers change in the answer to FETCH",
    ),
    Break(
        "smtpfix/imap",
        "if not entries or runs[-1].stop - 1 > len(entries):",
        "if False:",
        "a sequence number that there is not is no error",
    ),
    Break("smtpfix/imap", "if not policy.allows_auth(in_tls=in_tls):", "if False:", "LOGINDISABLED is never said"),
    Break(
        "smtpfix/imap",
        "if is_secret and is_more and secret_at(line):",
        "if False:",
        "a password in a second line is shown as a command is",
    ),
    Break(
        "smtpfix/imap",
        "            self.speech.write(news)\n            self.channel.flush()\n",
        "            self.speech.write(news)\n",
        "who idles is told what has come with the next answer, and not before",
    ),
    Break(
        "smtpfix/imap",
        "self.is_free and not self.channel.is_blocked and (news",
        "self.is_free and (news",
        "news pile up for a client that idles and does not read",
    ),
    Break("smtpfix/imap", "piece[:most] for piece in", "piece for piece in", "a literal is read as text for rules"),
    Break(
        "smtpfix/imap",
        "if name[: len(self.prefix)].upper() != self.prefix:",
        "if False:",
        "a name outside the namespace is another folder's",
    ),
    Break("smtpfix/imap", "            self.channel.acknowledge()\n", "            pass\n", "an APPEND takes 40 ms"),
    Break(
        "smtpfix/imap",
        "        return len(self.pieces) < 2 * _LINES and self._octets + octets <= most",
        "        return True",
        "a literal of any size is taken in before the login",
    ),
    # record
    Break(
        "smtpfix/record",
        "self._octets > self._most_octets or len(octets) > self._most",
        "len(octets) > self._most",
        "long commands make a transcript grow beyond its octets",
    ),
    Break(
        "smtpfix/record",
        "while self._octets > self._most_octets and len(self._recorders) > 1",
        "while False",
        "sessions are kept whatever their octets",
    ),
    Break(
        "smtpfix/record",
        "if followed and followed[-1] == len(octets):",
        "if followed:",
        "what is taken back as pipelined is somebody else's",
    ),
    Break(
        "smtpfix/record",
        "if self._over_count < count:",
        "if self._over_count <= count:",
        "waiting for the end of sessions wants one too many",
    ),
    Break(
        "smtpfix/record",
        "self._changed.notify_all()",
        "self._changed.notify()",
        "of several threads that wait, one hears of what came",
    ),
    Break(
        "smtpfix/record",
        "gone and not refused",
        "gone",
        "refusing a certificate is a lack of QUIT",
    ),
    Break(
        "smtpfix/record",
        "*octets[:head], note.encode(), *octets[tail:]",
        "*octets[:head], *octets[tail - 1 : tail], *octets[tail:]",
        "a long transcript does not say that something was left out",
    ),
    # mail
    Break(
        "smtpfix/mail",
        "while self._octets > self._most_octets and len(self._messages) + len(self._refused) > 1",
        "while False",
        "messages are kept whatever their octets",
    ),
    Break(
        "smtpfix/mail",
        "misses.sort(key=lambda miss: len(miss[0]))",
        "misses.sort(key=lambda miss: -len(miss[0]))",
        "the farthest misses are shown, and not the nearest",
    ),
    Break(
        "smtpfix/mail",
        "contained = name in _CONTAINED and isinstance(expected, str) and expected in actual",
        "contained = isinstance(expected, str) and expected in actual",
        "an address inside another one matches",
    ),
    Break(
        "smtpfix/mail",
        '"to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"',
        '"to", "cc", "resent-to", "resent-cc"',
        "a recipient shown in Bcc is a blind one",
    ),
    Break(
        "smtpfix/mail",
        "itertools.islice(reversed(self._messages), count - seen)",
        "itertools.islice(reversed(self._messages), count - seen + 1)",
        "a wait counts a message twice",
    ),
    Break(
        "smtpfix/mail",
        'if not part.media_type.startswith("message/"):',
        "if part.parts:",
        "what a message in the message has attached is the message's own",
    ),
    Break(
        "smtpfix/mail",
        "places = itertools.chain((piece for piece in pieces if piece[0] in '<\"'), addresses(text))",
        "places = addresses(text)",
        "an encoded word in quotes is taken for a name",
    ),
    Break(
        "smtpfix/mail",
        'if tag.name in ("a", "area"):',
        "if tag.name:",
        "every href is a link",
    ),
    # conversation
    Break(
        "smtpfix/conversation",
        "if self._closing.has_begun:",
        "if False:",
        "hundreds of busy clients hold up the closing of their server",
    ),
    Break(
        "smtpfix/smtp",
        "return now < first + self.greylist",
        "return now <= first + self.greylist",
        "a greylisted client comes back in time, and is sent away",
    ),
    Break(
        "smtpfix/smtp",
        "self._limits.failed_logins is not None and self._logins >= self._limits.failed_logins",
        "self._limits.failed_logins is not None and self._logins > self._limits.failed_logins",
        "one failed login more than allowed",
    ),
    Break(
        "smtpfix/conversation",
        'self._kept = injected if keeps else b""',
        "self._kept = injected",
        "every server keeps what was injected after STARTTLS",
    ),
    Break(
        "smtpfix/conversation",
        "is_last_encrypted = _APPLICATION_DATA in kinds or _CHANGE_CIPHER_SPEC in kinds[:-1]",
        "is_last_encrypted = _APPLICATION_DATA in kinds",
        "below TLS 1.3 the Finished is not held back",
    ),
    Break(
        "smtpfix/rules",
        "performance.perform_silently()\n        return True",
        "return True",
        "a command without a reply has no effect",
    ),
    Break(
        "smtpfix/conversation",
        "self._connection.end(SessionEnd.DISCONNECTED, notify=notify)",
        "self._connection.end(SessionEnd.DISCONNECTED)",
        "a rule that truncates closes in order",
    ),
    # smtp
    Break(
        "smtpfix/smtp",
        'return (_CRLF + stuffed).replace(b"\\r\\n.", _CRLF)[len(_CRLF) :]',
        'return stuffed.replace(b"\\r\\n.", _CRLF)',
        "a dot that begins the content stays doubled",
    ),
    Break("smtpfix/smtp", "_LONGEST: Final = 512", "_LONGEST: Final = 513", "a command of 513 octets is right"),
    Break(
        "smtpfix/smtp",
        "self._size + argument.size <= self._limit",
        "self._size + argument.size < self._limit",
        "chunks of exactly the limit are too much",
    ),
    Break(
        "smtpfix/smtp",
        "if policy.mode is Mode.TLS_REQUIRED and verb not in _BEFORE_TLS and not self._channel.in_tls:",
        'if policy.mode is Mode.TLS_REQUIRED and verb == "MAIL" and not self._channel.in_tls:',
        "with TLS required, all but MAIL is answered in clear",
    ),
    Break(
        "smtpfix/smtp",
        "return next((reply for reply in known if reply.is_positive), known[0] if known else None)",
        "return known[0] if known else None",
        "an LMTP message that one recipient has is refused",
    ),
    Break(
        "smtpfix/smtp",
        "if reply.is_positive:\n            self._conversation.end(SessionEnd.QUIT)",
        "self._conversation.end(SessionEnd.QUIT)",
        "a QUIT that is refused ends the session",
    ),
    Break(
        "smtpfix/smtp",
        "return self.size == self._announced",
        "return self.size >= min(self._announced, 65_536)",
        "a chunk over 64 KiB is over too early",
    ),
    # probe
    Break(
        "smtpfix/probe",
        "return 465 if self is Connection.IMPLICIT_TLS else 25",
        "return 465 if self is Connection.IMPLICIT_TLS else 587",
        "a probe goes to another port",
    ),
    Break(
        "smtpfix/probe",
        'verdict = self._rejected or Certificate(0, "")',
        'verdict = Certificate(0, "")',
        "a probe that goes on all the same says that the certificate was good",
    ),
    Break(
        "smtpfix/probe",
        ".run(goes_on=not settings.verify)",
        ".run(goes_on=True)",
        "a probe logs in at a server that it does not trust",
    ),
    Break(
        "smtpfix/probe",
        "        self._unread.clear()",
        "        pass",
        "a probe takes what was injected in clear for what the server says inside TLS",
    ),
    Break(
        "smtpfix/probe",
        "if tag != self._tag.encode() or status not in _TAGGED:",
        "if status not in _TAGGED:",
        "a probe takes the answer to another command for its own",
    ),
    Break(
        "smtpfix/probe",
        'if self.offers("LOGINDISABLED"):',
        "if False:",
        "a probe says a password to a server that has forbidden it",
    ),
    Break(
        "smtpfix/pki",
        "der.first(value.content)",
        "next(der.elements(value.content))",
        "a certificate with a name that is empty ends the probe",
    ),
    # audit
    Break(
        "smtpfix/audit",
        'if case.expected == "refuse":\n                return Verdict.LAX if case.is_old_tls else Verdict.FAILED',
        'if case.expected == "refuse":\n                return Verdict.LAX',
        "delivering to the wrong server is lax, and no failure",
    ),
    Break(
        "smtpfix/audit",
        "return not evidence.delivered\n",
        "return False\n",
        "a client that reports success without a delivery is believed",
    ),
    Break(
        "smtpfix/erasing.py",
        "for before in range(3):",
        "for before in range(2):",
        "a secret is not found at every alignment of base64",
    ),
    Break(
        "smtpfix/audit",
        "return bool(session.auth) or not",
        "return not",
        "a login alone gives nothing away",
    ),
    Break(
        "smtpfix/audit",
        "unauthenticated = declaration.user is not None and not evidence.logged_in",
        "unauthenticated = False",
        "mail without the login that was declared is a delivery",
    ),
    Break(
        "smtpfix/audit",
        'if expected == "refuse" and outcome is Outcome.REFUSED_LATE and not may_be_late(self.scenario):',
        'if expected == "refuse" and outcome is Outcome.REFUSED_LATE and not self.scenario:',
        "refusing after the password was given away is good enough",
    ),
    Break(
        "smtpfix/audit",
        "return bool(evidence.delivered) and not case.loses_the_reply",
        "return bool(evidence.delivered)",
        "a client that could not know is said to misreport",
    ),
    Break(
        "smtpfix/audit",
        "return self.read if self.read >= MESSAGES - self.taken_away else 0",
        "return self.read",
        "who reads one message of three has read its mail",
    ),
    Break(
        "smtpfix/audit",
        "    if evidence.lost:\n        return Outcome.LOST_MAIL",
        "    if False:\n        return Outcome.LOST_MAIL",
        "who deletes mail unread has done nothing else than refuse",
    ),
    Break(
        "smtpfix/audit",
        "        if guessed != used:",
        "        if False:",
        "an injected answer to nobody's command shows that a client is careful",
    ),
    # cli
    Break(
        "smtpfix/cli",
        "if all(finding.outcome is Outcome.NOT_RUN for finding in result.findings):",
        "if any(finding.outcome is Outcome.NOT_RUN for finding in result.findings):",
        "an audit in which one scenario could not be run could not be run",
    ),
    Break(
        "smtpfix/audit",
        "if all(one.verdict is Verdict.NOT_RUN for one in tried[flaw])",
        "if False",
        "a grade is given though nothing is known of names",
    ),
    Break(
        "smtpfix/audit",
        'return "clear" if is_innocent and not takes_tls_away else "downgrade"',
        'return "downgrade"',
        "a password in clear to a good server counts as a downgrade",
    ),
    Break(
        "smtpfix/cli",
        "return COULD_NOT_RUN if result.grade is Grade.UNKNOWN and not is_bad else NOT_REACHED",
        "return REACHED",
        "every audit is a success",
    ),
    Break(
        "smtpfix/cli",
        "continue  # another run saves here at the same time",
        "return path, skipped",
        "a message is lost whose name another run has taken",
    ),
    Break(
        "smtpfix/cli",
        "        EARLY_SIGNALS.pass_on()\n",
        "",
        "a signal that came during the start is forgotten",
    ),
    Break(
        "smtpfix/cli",
        "self._weight + size <= self._octets",
        "True",
        "events that wait for a slow reader may take all memory",
    ),
    # server
    Break(
        "smtpfix/server.py",
        "self._serving.abandon()",
        "pass",
        "a forked child keeps the parent's connections open",
    ),
    Break(
        "smtpfix/server.py",
        "ledger.advance(seconds)",
        "ledger.advance(0)",
        "no time passes for limits",
    ),
    # conftest_plugin
    # pop3 and accounts
    Break(
        "smtpfix/pop3",
        '        """Let go of the maildrop: nothing was deleted unless QUIT said so."""\n',
        "        if self.maildrop is not None:\n            self.maildrop.update()\n",
        "a connection that breaks deletes mail",
    ),
    Break(
        "smtpfix/pop3",
        "        self._user = None\n        self._close()\n",
        "        self._close()\n",
        "a user named in clear may give the password inside TLS",
    ),
    Break(
        "smtpfix/pop3",
        '    if content.startswith(b"."):\n        content = b"." + content\n',
        "",
        "a message that begins with a dot loses it",
    ),
    Break(
        "smtpfix/pop3",
        "self.policy.locks and not account.hold(self)",
        "self.policy.locks and account.hold(self) is None",
        "two sessions have one maildrop",
    ),
    Break(
        "smtpfix/pop3",
        "self.send(forced or own)\n        if own is replies.START_TLS and (forced is None or forced.is_positive):",
        "self.send(forced or own)\n        if own is replies.START_TLS:",
        "TLS begins after a refusal of STLS",
    ),
    Break(
        "smtpfix/mail",
        "if spans[0][0] <= body and spans[0][1] >= size:",
        "if spans[0][1] >= size:",
        "the end of a message is taken for the whole",
    ),
    Break(
        "smtpfix/mail",
        "            if expunge and self._gone:\n",
        "            if self._gone:\n",
        "sequence numbers change in an answer to FETCH",
    ),
    Break(
        "smtpfix/mail",
        "for mail, gone in last.items() if not mail.retrievals and not mail.copies",
        "for mail, gone in last.items() if not mail.retrievals",
        "mail that was filed away is said to be lost",
    ),
    Break(
        "smtpfix/mail",
        "return [account for account in accounts if account.user.lower() in names]",
        "return [account for account in accounts if account.user in names]",
        "a user whose name has a capital gets everybody's mail",
    ),
    Break(
        "smtpfix/conversation",
        "if not self.is_answered and not any(later.changes_answer or later.stands_for_answer for later in self.rest):",
        "if not self.is_answered:",
        "only the first change of an answer is made",
    ),
    Break(
        "conftest_plugin",
        'item.stash[PASSED] = call.when == "call" and report.passed',
        'item.stash[PASSED] = call.when == "call"',
        "a test that failed fails once more for rules that never answered",
    ),
    Break(
        "conftest_plugin",
        "for marker in reversed(markers):",
        "for marker in markers:",
        "the marker of a module overrides that of a test",
    ),
    Break(
        "conftest_plugin",
        "if expected == _POINTLESS[key]:",
        "if not expected:",
        "a declaration that says nothing is taken",
    ),
    Break(
        "conftest_plugin",
        "shown = [scenario for scenario in found if mode in scenario.modes]",
        "shown = found",
        "scenarios of other modes are run",
    ),
    # store
    Break(
        "smtpfix/store",
        "told + [(done, failure) for done in kept]",
        "told + [(done, None) for done in kept]",
        "a message that could not be stored is accepted",
    ),
    Break(
        "smtpfix/store",
        'db.execute("BEGIN IMMEDIATE")',
        'db.execute("BEGIN")',
        "two programs that write to one file fail where they could wait",
    ),
    Break("smtpfix/store", r'.replace("_", r"\_")', "", "an underscore in a search finds anything"),
    Break(
        "smtpfix/store",
        "if owner != _APPLICATION and",
        "if False and",
        "another program's database gets tables of ours",
    ),
    Break(
        "smtpfix/smtp",
        "reply, kept = replies.NOT_KEPT, replace(message, reply=replies.NOT_KEPT)",
        "reply, kept = replies.ACCEPTED, replace(message, reply=replies.NOT_KEPT)",
        "a client is told that a message is kept that is not",
    ),
)
