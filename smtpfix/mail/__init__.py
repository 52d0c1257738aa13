"""What was captured: messages, the inbox they are in, and which of them is meant.

Knows a message's octets and its envelope; knows neither connections nor the protocol that brought it.
"""
