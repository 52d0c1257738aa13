"""Dies by a signal as soon as a server says no."""

import os
import signal
import smtplib
import sys

host, port, sender, recipient = sys.argv[1:5]
try:
    with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
        client.sendmail(sender, [recipient], "Subject: x\r\n\r\nx\r\n")
except smtplib.SMTPException:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
