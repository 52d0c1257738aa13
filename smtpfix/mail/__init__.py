"""The captured mail: messages, the inbox, the accounts that clients read, and how tests find a message.

It knows the octets of a message and its envelope, but no connections, and not the protocol that the message came by.
"""
