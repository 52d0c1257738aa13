"""How to fix a flaw in a client: in its own language if that is known, otherwise in general.

Each is one sentence. What does not help is not said: a flaw without a line for a language gets the general one.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.suggesting import one_of

_SMTP: Final = "smtp"
"""What has this in it is a setting of sending mail."""

_IN_GENERAL: Final = {
    "clear": "Establish TLS before anything else: say only EHLO, STARTTLS and QUIT in clear, or use implicit TLS.",
    "null-cipher": "Offer no cipher suite without encryption.",
    "downgrade": "Stop where TLS cannot be established, whatever the server says; on a device, choose the setting that "
    "requires TLS, or implicit TLS on port 465.",
    "injection": "When TLS begins, throw away what was received in clear, and say EHLO again (RFC 3207 section 4.2).",
    "lost-mail": "Delete a message only when all of it has come: the whole literal and the tagged OK (RFC 9051 section "
    "4.3), or the line with nothing but the dot, after at least as many octets as LIST says (RFC 1939 section 3).",
    "anything": "Verify the server: the chain up to an authority you trust, and the name you connected to.",
    "issuer": "Accept only chains that end at an authority you trust.",
    "pin": "Compare the server's certificate, or its key, with the one you were given, before the first command.",
    "anonymous": "Offer no anonymous cipher suites.",
    "name": "Compare the certificate's subjectAltName with the name, or the IP address, that you connected to.",
    "part-of-name": "Compare whole names, label by label; only the leftmost label can be a wildcard (RFC 9525 section "
    "6.3).",
    "leaf-as-issuer": "Accept only certificates whose issuers may issue them (basicConstraints, keyCertSign).",
    "common-name": "Compare only with subjectAltName, never with the common name (RFC 9525 section 2).",
    "same-domain": "Compare whole names: a host's certificate speaks for that host alone (RFC 9525 section 6.3).",
    "name-form": "Compare each name in subjectAltName as a whole, whatever octets it has: DNS names with the host's "
    "name, iPAddress with its address; a wildcard stands for one whole leftmost label (RFC 9525 section 6.3).",
    "validity": "Compare the certificate's notBefore and notAfter with the time.",
    "purpose": "Look at what the certificate is for: key usage (digitalSignature) and extended key usage (serverAuth).",
    "critical-extension": "Refuse certificates with critical extensions that you do not know (RFC 5280 section 4.2).",
    "weak-key": "Refuse RSA keys below 2048 bits; OpenSSL's security level 2 does.",
    "weak-signature": "Refuse signatures made with MD5 or SHA-1; OpenSSL's security level 2 does.",
    "old-version": "Set the lowest version to TLS 1.2.",
    "weak-cipher": "Offer no cipher suites with RC4 or 3DES, and no Diffie-Hellman groups below 2048 bits.",
    "weak-authority": "Refuse RSA keys below 2048 bits, and signatures made with MD5 or SHA-1, in the whole chain; "
    "OpenSSL's security level 2 does.",
    "authority-limits": "Verify the whole chain by RFC 5280 section 6: path length, name constraints, key usage and "
    "dates of each authority.",
    "hygiene": "Verify the whole chain as strictly as your library can.",
}

_OF_READERS: Final = {
    "clear": "Establish TLS before anything else: ask only for capabilities and for TLS in clear, or use implicit TLS.",
    "downgrade": "Stop where TLS cannot be established, whatever the server says; on a device, choose the setting that "
    "requires TLS, or implicit TLS on port 993 (IMAP) or 995 (POP3).",
    "injection": "When TLS begins, throw away what was received in clear, and ask for the capabilities again (RFC 9051 "
    "section 6.2.1, RFC 2595 section 4).",
}
"""What is said otherwise to clients that read mail."""

_PYTHON_LEVEL: Final = 'Use the ciphers of OpenSSL\'s security level 2: context.set_ciphers("DEFAULT:@SECLEVEL=2").'

_BY_LANGUAGE: Final = {
    "python": {
        "clear": "Call client.starttls(context=context) before login() and sendmail(), or use smtplib.SMTP_SSL.",
        "anything": "Pass a context that verifies: context=ssl.create_default_context(cafile=...).",
        "issuer": "Pass a context that verifies: context=ssl.create_default_context(cafile=...).",
        "name": "Leave context.check_hostname = True, as ssl.create_default_context() sets it.",
        "common-name": "Set context.hostname_checks_common_name = False.",
        "downgrade": "Call client.starttls(context=context) without asking whether it is offered, and let its "
        "exception end the delivery.",
        "old-version": "Set context.minimum_version = ssl.TLSVersion.TLSv1_2.",
        "weak-key": _PYTHON_LEVEL,
        "weak-signature": _PYTHON_LEVEL,
        "weak-authority": _PYTHON_LEVEL,
        "weak-cipher": _PYTHON_LEVEL,
        "anonymous": "Leave the context's ciphers as ssl.create_default_context() sets them.",
        "null-cipher": "Leave the context's ciphers as ssl.create_default_context() sets them.",
    },
    "curl": {
        "anything": "Remove --insecure, and name what to trust: --cacert FILE.",
        "issuer": "Remove --insecure, and name what to trust: --cacert FILE.",
        "name": "Remove --insecure.",
        "downgrade": "Say --ssl-reqd instead of --ssl, or smtps:// instead of smtp://.",
        "clear": "Say --ssl-reqd, or smtps:// instead of smtp://.",
        "old-version": "Add --tlsv1.2.",
    },
    "msmtp": {
        "anything": "Set tls_certcheck on, and tls_trust_file FILE.",
        "issuer": "Set tls_certcheck on, and tls_trust_file FILE.",
        "name": "Set tls_certcheck on, and leave tls_fingerprint out.",
        "clear": "Set tls on.",
        "old-version": "Set tls_priorities NORMAL:-VERS-TLS1.0:-VERS-TLS1.1.",
    },
    "swaks": {
        "anything": "Add --tls-verify and --tls-ca-path FILE.",
        "issuer": "Add --tls-verify and --tls-ca-path FILE.",
        "downgrade": "Say --tls instead of --tls-optional or --tls-optional-strict.",
        "old-version": "Add --tls-protocol tlsv1_2.",
    },
    "fetchmail": {
        "anything": "Say sslcertck, and name what to trust: sslcertfile FILE.",
        "issuer": "Say sslcertck, and name what to trust: sslcertfile FILE.",
        "name": "Say sslcertck, and leave sslfingerprint and sslcommonname out.",
        "old-version": 'Say sslproto "tls1.2+".',
    },
    "getmail": {
        "anything": "Name what to trust: ca_certs = FILE.",
        "issuer": "Name what to trust: ca_certs = FILE.",
        "name": "Leave ssl_cert_hostname out, and set ca_certs = FILE.",
    },
    "go": {
        "anything": "Leave tls.Config.InsecureSkipVerify false, and set RootCAs and ServerName.",
        "issuer": "Leave tls.Config.InsecureSkipVerify false, and put the authority into RootCAs.",
        "name": "Set tls.Config.ServerName to the host that you connect to.",
        "downgrade": 'Return an error where client.Extension("STARTTLS") says no; smtp.SendMail goes on in clear.',
        "old-version": "Set tls.Config.MinVersion to tls.VersionTLS12.",
    },
    "java": {
        "anything": "Leave mail.smtp.ssl.trust out, and set mail.smtp.ssl.checkserveridentity to true.",
        "issuer": "Leave mail.smtp.ssl.trust out, and put the authority into the trust store.",
        "name": "Set mail.smtp.ssl.checkserveridentity to true.",
        "downgrade": "Set mail.smtp.starttls.required to true.",
        "clear": "Set mail.smtp.starttls.enable and mail.smtp.starttls.required to true.",
        "old-version": 'Set mail.smtp.ssl.protocols to "TLSv1.2 TLSv1.3".',
    },
    "node": {
        "anything": "Set tls: { rejectUnauthorized: true, ca: ... }.",
        "issuer": "Set tls: { rejectUnauthorized: true, ca: ... }.",
        "name": "Leave tls.checkServerIdentity out, and set tls.servername to the host that you connect to.",
        "downgrade": "Set requireTLS: true, or secure: true for implicit TLS.",
        "clear": "Leave ignoreTLS out, and set requireTLS: true.",
        "old-version": 'Set tls: { minVersion: "TLSv1.2" }.',
    },
    "php": {
        "anything": "Take verify_peer, verify_peer_name and allow_self_signed out of the ssl options, and set cafile.",
        "issuer": "Take verify_peer and allow_self_signed out of the ssl options, and set cafile.",
        "name": "Take verify_peer_name out of the ssl options.",
        "downgrade": "Set $mail->SMTPSecure to PHPMailer::ENCRYPTION_STARTTLS; SMTPAutoTLS alone goes on in clear.",
    },
    "perl": {
        "anything": "Set SSL_verify_mode => SSL_VERIFY_PEER, SSL_ca_file and SSL_verifycn_scheme => 'smtp'.",
        "issuer": "Set SSL_verify_mode => SSL_VERIFY_PEER, and SSL_ca_file.",
        "name": "Set SSL_verifycn_scheme => 'smtp' and SSL_verifycn_name to the host that you connect to.",
        "downgrade": "Stop where $smtp->starttls returns false.",
        "old-version": "Set SSL_version => 'TLSv12:TLSv13'.",
    },
    "ruby": {
        "anything": "Leave tls_verify true, or set OpenSSL::SSL::VERIFY_PEER on the context.",
        "issuer": "Leave tls_verify true, or set OpenSSL::SSL::VERIFY_PEER on the context.",
        "name": "Set tls_hostname to the host that you connect to.",
        "downgrade": "Say starttls: :always; :auto goes on in clear.",
        "old-version": "Set min_version to OpenSSL::SSL::TLS1_2_VERSION on the context.",
    },
    "dotnet": {
        "anything": "Leave ServerCertificateValidationCallback out.",
        "issuer": "Leave ServerCertificateValidationCallback out, and put the authority into the system's store.",
        "name": "Leave ServerCertificateValidationCallback out.",
        "downgrade": "Say SecureSocketOptions.StartTls instead of StartTlsWhenAvailable or Auto.",
        "old-version": "Set SslProtocols to Tls12 | Tls13.",
    },
    "c": {
        "anything": "Call SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL) and SSL_set1_host(ssl, host).",
        "issuer": "Call SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL), and load what you trust.",
        "name": "Call SSL_set1_host(ssl, host) before the handshake.",
        "common-name": "Call SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT).",
        "old-version": "Call SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION).",
        "weak-key": "Call SSL_CTX_set_security_level(ctx, 2).",
        "weak-signature": "Call SSL_CTX_set_security_level(ctx, 2).",
        "weak-authority": "Call SSL_CTX_set_security_level(ctx, 2).",
        "weak-cipher": "Call SSL_CTX_set_security_level(ctx, 2).",
    },
}

_BY_LANGUAGE_OF_READERS: Final = {
    "python": {
        "clear": "Call client.starttls(context), which is client.stls(context=context) in poplib, before login() or "
        "user(); or use IMAP4_SSL (port 993) or POP3_SSL (port 995).",
        "downgrade": "Call client.starttls(context), which is client.stls(context=context) in poplib, without asking "
        "whether it is offered, and let its exception end the session; or use IMAP4_SSL (port 993) or POP3_SSL (995).",
    },
    "curl": {
        "clear": "Say --ssl-reqd, or imaps:// instead of imap://, pop3s:// instead of pop3://.",
        "downgrade": "Say --ssl-reqd instead of --ssl, or imaps:// instead of imap://, pop3s:// instead of pop3://.",
    },
}
"""What is said otherwise to clients that read mail."""

LANGUAGES: Final = tuple(_BY_LANGUAGE)
"""What a client can be written in, or be, to be told in its own words: ``python``, ``java``, ``curl``, ..."""

_PROGRAMS: Final = {
    **{name: name for name in LANGUAGES if name != "c"},
    "pypy": "python",
    "nodejs": "node",
    "bun": "node",
    "deno": "node",
    "jruby": "ruby",
}
"""Programs by whose names it is known what a client is written in."""


def language_of(program: str) -> str:
    """Return what a program is, or runs, by its name: ``python`` for ``/usr/bin/python3.11``; empty where unknown."""
    name = PurePath(program.replace("\\", "/")).name.lower().removesuffix(".exe")
    return _PROGRAMS.get(name.rstrip("0123456789.-"), "")


def fix(flaw: str, language: str = "", *, reads_mail: bool = False) -> str:
    """Return what to change so that a flaw is gone, one sentence; where mail is read, nothing of SMTP."""
    in_its_words = _BY_LANGUAGE.get(language, {}).get(flaw, "")
    if reads_mail:
        if of_readers := _BY_LANGUAGE_OF_READERS.get(language, {}).get(flaw):
            return of_readers
        is_of_smtp = not in_its_words or flaw in _OF_READERS or _SMTP in in_its_words
        return (_OF_READERS.get(flaw) or _IN_GENERAL[flaw]) if is_of_smtp else in_its_words
    return in_its_words or _IN_GENERAL[flaw]


def check_language(language: str, name: str) -> None:
    """Raise `InvalidValueError` for a language that is not known; empty is."""
    if language and language not in LANGUAGES:
        raise InvalidValueError(name, language, one_of(language, LANGUAGES))
