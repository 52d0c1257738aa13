"""Send a message by aiosmtplib, as its documentation has it.

arguments: mode host port cafile name sender recipient message patience [user password]
"""

import asyncio
import ssl
import sys
from pathlib import Path

import aiosmtplib

mode, host, port, cafile, name, sender, recipient, message, patience, *login = sys.argv[1:]
user, password = login or (None, None)
START_TLS = {"starttls-required": True, "opportunistic": None}

asyncio.run(
    aiosmtplib.send(
        Path(message).read_bytes(),
        sender=sender,
        recipients=[recipient],
        hostname=host,
        port=int(port),
        local_hostname=name,
        timeout=float(patience),
        use_tls=mode == "implicit",
        start_tls=START_TLS.get(mode, False),
        tls_context=ssl.create_default_context(cafile=cafile),
        username=user,
        password=password,
    )
)
