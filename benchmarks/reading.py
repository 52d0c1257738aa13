"""What reading mail over IMAP costs: ``python -m benchmarks.reading`` beside Dovecot, where that is installed.

Each server holds the same messages; a client on a socket asks for them and throws them away. The best of several runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from smtpfix import ImapPolicy, Pop3Policy, Server

COUNT: Final = 1_000
_HEAD: Final = (
    b"From: Shop <shop@example.org>\r\nTo: ann@example.org\r\nSubject: Order %d\r\nMessage-ID: <%d@example.org>\r\n\r\n"
)
_LINE: Final = b"x" * 78 + b"\r\n"
_WITHIN: Final = 60.0
_DOVECOT: Final = """\
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_location = maildir:{folder}/mail
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
passdb {{
  driver = static
  args = password=s3cret
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


class Reader:
    """A client that throws away what it reads."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _WITHIN)
        self._file = self._socket.makefile("rb")
        self._file.readline()

    def ask(self, command: str) -> None:
        """Say an IMAP command, and read its answer."""
        self.say(f"a {command}\r\n".encode())
        self.answer()

    def say(self, *parts: bytes) -> None:
        """Say octets."""
        for part in parts:
            self._socket.sendall(part)

    def line(self) -> bytes:
        """Return the next line."""
        return self._file.readline()

    def answer(self) -> None:
        """Read the answer to a command."""
        while not (line := self.line()).startswith(b"a "):
            if not line:
                raise ConnectionError("the server has closed the connection")
            if line.endswith(b"}\r\n"):
                self._file.read(int(line[line.rindex(b"{") + 1 : -3]))

    def ask_pop3(self, command: str) -> None:
        """Say a POP3 command, and read its reply."""
        self._socket.sendall(f"{command}\r\n".encode())
        self._file.readline()
        if command.startswith("RETR"):
            while self._file.readline() != b".\r\n":
                pass

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()


def message(number: int, size: int) -> bytes:
    """Return a message of about so many octets."""
    head = _HEAD % (number, number)
    return head + _LINE * max(1, (size - len(head)) // len(_LINE))


@contextlib.contextmanager
def own(size: int) -> Iterator[int]:
    """Run this project's server with so many messages; give its port."""
    with Server(ImapPolicy(users={"ann": "s3cret"}, host="127.0.0.1")) as server:
        for number in range(COUNT):
            server.put(message(number, size), to="ann")
        yield server.port


@contextlib.contextmanager
def dovecot(size: int) -> Iterator[int]:
    """Run Dovecot with the same messages in a Maildir; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        account = pwd.getpwnam("dovecot") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        for one in ("cur", "new", "tmp"):
            (folder / "mail" / one).mkdir(parents=True)
        for number in range(COUNT):
            (folder / "mail" / "cur" / f"{number}.M1P1.host:2,S").write_bytes(message(number, size).replace(b"\r", b""))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
        text = _DOVECOT.format(folder=folder, port=port, user=account.pw_name, group=account.pw_name)
        (folder / "conf").write_text(text, encoding="ascii")
        running = subprocess.Popen(["dovecot", "-F", "-c", str(folder / "conf")])
        try:
            _wait_for(port)
            yield port
        finally:
            running.terminate()
            running.wait(_WITHIN)


def _wait_for(port: int) -> None:
    until = time.monotonic() + _WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def best(work: Callable[[], None], runs: int) -> float:
    """Return the fewest milliseconds that some work took."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)


def measured(port: int, runs: int) -> Iterator[tuple[str, float]]:
    """Yield what reading costs, each with its name."""
    reader = Reader(port)
    reader.ask("LOGIN ann s3cret")
    reader.ask("SELECT INBOX")
    for command in ("FETCH 1:* (BODY.PEEK[])", "FETCH 1:* (FLAGS UID RFC822.SIZE)"):
        yield command, best(lambda command=command: reader.ask(command), runs)  # type: ignore[misc]
    first = best(lambda: reader.ask("FETCH 1:* (ENVELOPE BODYSTRUCTURE)"), 1)
    yield "FETCH 1:* (ENVELOPE BODYSTRUCTURE), the first time", first

    def one_by_one() -> None:
        for number in range(1, COUNT + 1):
            reader.ask(f"FETCH {number} (BODY.PEEK[])")

    yield "FETCH n (BODY.PEEK[]), one by one", best(one_by_one, runs)
    reader.close()


def by_pop3(size: int, runs: int) -> float:
    """Return what RETR of each message costs."""
    with Server(Pop3Policy(users={"ann": "s3cret"}, host="127.0.0.1")) as server:
        for number in range(COUNT):
            server.put(message(number, size), to="ann")
        reader = Reader(server.port)
        reader.ask_pop3("USER ann")
        reader.ask_pop3("PASS s3cret")

        def one_by_one() -> None:
            for number in range(1, COUNT + 1):
                reader.ask_pop3(f"RETR {number}")

        found = best(one_by_one, runs)
        reader.close()
        return found


def by_append(size: int, limit: int, runs: int) -> tuple[float, float]:
    """Return what APPEND of one message costs, kept or over the limit, and the MiB the process grew by at the most."""
    content = message(0, size)
    parts = [content[at : at + 2**20] for at in range(0, len(content), 2**20)]
    with Server(ImapPolicy(users={"ann": "s3cret"}, host="127.0.0.1", append_limit=limit)) as server:
        reader = Reader(server.port)
        reader.ask("LOGIN ann s3cret")

        def append() -> None:
            reader.say(b"a APPEND Sent {%d+}\r\n" % len(content), *parts, b"\r\n")
            reader.answer()

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        append()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        found = best(append, runs)
        reader.close()
    return found, grown / 1024


def by_idle(clients: int, runs: int) -> float:
    """Return what it costs until so many clients that idle have all been told of a message."""
    with Server(ImapPolicy(users={"ann": "s3cret"}, host="127.0.0.1")) as server:
        readers = [Reader(server.port) for _ in range(clients)]
        for reader in readers:
            reader.ask("LOGIN ann s3cret")
            reader.ask("SELECT INBOX")
            reader.say(b"a IDLE\r\n")
            reader.line()

        def tell_all() -> None:
            server.put(message(0, 1024), to="ann")
            for reader in readers:
                while not reader.line().endswith(b" RECENT\r\n"):
                    pass

        found = best(tell_all, runs)
        for reader in readers:
            reader.close()
    return found


def memory_of_all(size: int) -> tuple[float, float]:
    """Return the MiB of the messages, and those that the process grew by at the most while all of them were fetched."""
    with own(size) as port:
        reader = Reader(port)
        reader.ask("LOGIN ann s3cret")
        reader.ask("SELECT INBOX")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reader.ask("FETCH 1:* (BODY.PEEK[])")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        reader.close()
    return size * COUNT / 2**20, grown / 1024


def main() -> None:
    """Print what everything costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    servers = {"smtpfix": own} | ({"Dovecot": dovecot} if shutil.which("dovecot") else {})
    for name, server in servers.items():
        with server(1024) as port:
            for what, milliseconds in measured(port, runs):
                print(f"{name}, {COUNT} messages of 1 KiB: {what}: {milliseconds:.1f} ms")
    print(f"smtpfix, {COUNT} messages of 1 KiB: RETR n, one by one: {by_pop3(1024, runs):.1f} ms")
    for clients in (1, 100):
        print(f"smtpfix, {clients} clients that IDLE, all told of a message: {by_idle(clients, runs * 10):.2f} ms")
    size = 32 * 2**20
    for what, limit in (("over the limit", 2**20), ("kept", 2 * size)):
        milliseconds, grown = by_append(size, limit, runs)
        print(f"smtpfix, one APPEND of 32 MiB, {what}: {milliseconds:.0f} ms, {grown:.1f} MiB of memory more")
    whole, grown = memory_of_all(100 * 1024)
    print(
        f"smtpfix, {COUNT} messages of 100 KiB in one FETCH: {whole:.0f} MiB, which take {grown:.1f} MiB of memory more"
    )


if __name__ == "__main__":
    main()
