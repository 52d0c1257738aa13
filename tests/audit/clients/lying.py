"""Says that all went well, whatever happened."""

import smtplib
import sys

host, port, sender, recipient = sys.argv[1:5]
try:
    with smtplib.SMTP(host, int(port), "client.example", timeout=10) as client:
        client.sendmail(sender, [recipient], "Subject: x\r\n\r\nx\r\n")
except (OSError, smtplib.SMTPException) as error:
    sys.stdout.write(f"sent, hm: {error}\n")
