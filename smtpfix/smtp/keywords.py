"""The EHLO keywords that this server knows, and their parameters of MAIL and RCPT."""

from __future__ import annotations

from typing import Final

EXTENSIONS: Final = (
    "PIPELINING",  # RFC 2920
    "SIZE",  # RFC 1870
    "8BITMIME",  # RFC 6152
    "SMTPUTF8",  # RFC 6531
    "ENHANCEDSTATUSCODES",  # RFC 2034
    "STARTTLS",  # RFC 3207
    "AUTH",  # RFC 4954
    "HELP",  # RFC 5321 section 4.1.1.8
)
"""The EHLO keywords this server knows, in the order it offers them."""

OPTIONAL_EXTENSIONS: Final = (
    "CHUNKING",  # RFC 3030 section 2
    "BINARYMIME",  # RFC 3030 section 3
    "DSN",  # RFC 3461
    "REQUIRETLS",  # RFC 8689
    "LIMITS",  # RFC 9422
    "MT-PRIORITY",  # RFC 6710
    "FUTURERELEASE",  # RFC 4865
    "DELIVERBY",  # RFC 2852
)
"""The EHLO keywords of `Policy.offer`, in the order it offers them, behind the others."""

REFUSABLE: Final = ("nul", "bare-lf", "bare-cr", "8bit", "long-line", "pipelining")
"""What `Policy.refuse` may name."""

MAIL_PARAMETERS: Final = (
    ("SIZE", "SIZE"),  # RFC 1870 section 3
    ("8BITMIME", "BODY"),  # RFC 6152 section 2
    ("SMTPUTF8", "SMTPUTF8"),  # RFC 6531 section 3.4
    ("AUTH", "AUTH"),  # RFC 4954 section 5
)
OPTIONAL_MAIL_PARAMETERS: Final = (
    ("BINARYMIME", "BODY=BINARYMIME"),  # RFC 3030 section 3
    ("DSN", "RET"),  # RFC 3461 section 4.3
    ("DSN", "ENVID"),  # RFC 3461 section 4.4
    ("REQUIRETLS", "REQUIRETLS"),  # RFC 8689 section 2
    ("MT-PRIORITY", "MT-PRIORITY"),  # RFC 6710 section 7
    ("FUTURERELEASE", "HOLDFOR"),  # RFC 4865 section 3
    ("FUTURERELEASE", "HOLDUNTIL"),  # RFC 4865 section 3
    ("DELIVERBY", "BY"),  # RFC 2852 section 4
)
RECIPIENT_PARAMETERS: Final = (
    ("DSN", "NOTIFY"),  # RFC 3461 section 4.1
    ("DSN", "ORCPT"),  # RFC 3461 section 4.2
)
