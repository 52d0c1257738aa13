"""How clients authenticate: the SASL mechanisms, and the exchange around each.

Knows challenges and answers; knows neither replies, nor connections, nor the policy that offers them.
"""
