"""How clients show who they are: SASL mechanisms, and the exchange around one.

Knows challenges and answers; knows neither replies, nor connections, nor the policy that offers them.
"""
