"""How clients authenticate: the SASL mechanisms, and the exchange around each.

It knows challenges and answers, but no replies, no connections, and no policy that offers mechanisms.
"""
