"""Wants TLS; where that fails, it connects again and sends in clear."""

import smtplib
import ssl
import sys

host, port, cafile, sender, recipient = sys.argv[1:6]
content = "Subject: x\r\n\r\nx\r\n"
try:
    with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
        client.starttls(context=ssl.create_default_context(cafile=cafile))
        client.sendmail(sender, [recipient], content)
except (OSError, smtplib.SMTPException):
    with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
        client.sendmail(sender, [recipient], content)
