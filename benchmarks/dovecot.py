"""Dovecot, the peer of those who read mail: IMAP and POP3 over Maildirs, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .processes import SERVER_CORES, StepFailedError, free_port, on_cores, run, wait_for_port

NAME: Final = "Dovecot"
_CONFIGURATION: Final = """\
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap pop3
ssl = no
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_location = maildir:{folder}/%u
mail_uid = {user}
mail_gid = {group}
mail_fsync = never
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
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """One that runs."""

    folder: Path
    pid: int
    imap: int
    pop3: int
    owner: tuple[int, int]
    version: str

    def fill(self, user: str, count: int, file: Path) -> None:
        """Give a user so many messages; ``%d`` stands for a message's number."""
        pattern = file.read_bytes().replace(b"\r", b"")
        maildir = self.folder / user
        for one in ("cur", "new", "tmp"):
            (maildir / one).mkdir(parents=True)
        for number in range(1, count + 1):
            (maildir / "cur" / f"{number}.M{number}P1.host:2,S").write_bytes(pattern % number)
        for path in (maildir, *maildir.rglob("*")):
            os.chown(path, *self.owner)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Dovecot]:
    """Run Dovecot. Raises `StepFailedError`."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if program is None or not Path("/usr/lib/dovecot/pop3").exists():
        raise StepFailedError("not installed; Debian's packages are dovecot-imapd and dovecot-pop3d")
    account = pwd.getpwnam("dovecot") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    version = run([program, "--version"], timeout=10).split()[0]
    folder.mkdir()
    imap, pop3 = free_port(), free_port()
    text = _CONFIGURATION.format(folder=folder, imap=imap, pop3=pop3, user=account.pw_name, group=account.pw_name)
    (folder / "conf").write_text(text, encoding="ascii")
    os.chown(folder, account.pw_uid, account.pw_gid)
    with on_cores(SERVER_CORES):
        process = subprocess.Popen([program, "-F", "-c", folder / "conf"])
    try:
        wait_for_port(pop3)
        yield Dovecot(folder, process.pid, imap, pop3, (account.pw_uid, account.pw_gid), version)
    finally:
        process.terminate()
        process.wait()
