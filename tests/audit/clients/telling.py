"""Sends the password in the message: base64, and on two lines of it."""

import base64
import smtplib
import sys

host, port, sender, recipient, password = sys.argv[1:6]
told = base64.b64encode(b"my account: " + password.encode() + b" and more").decode()
with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
    client.sendmail(sender, [recipient], f"Subject: x\r\n\r\n{told[:20]}\r\n{told[20:]}\r\n")
