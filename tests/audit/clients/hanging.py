"""Delivers, and never comes to an end; what it has started does not end either."""

import smtplib
import subprocess
import sys
import threading

host, port, sender, recipient = sys.argv[1:5]
with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
    client.sendmail(sender, [recipient], "Subject: x\r\n\r\nx\r\n")
subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
sys.stdout.write("waiting\n")
sys.stdout.flush()
threading.Event().wait()
