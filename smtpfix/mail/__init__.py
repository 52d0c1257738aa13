"""The captured mail: messages, the inbox, the accounts that clients read, and how tests find a message.

Knows a message's octets and its envelope; knows neither connections nor the protocol that brought it.
"""
