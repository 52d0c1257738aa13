"""The audit: a mail client against every scenario, judged by the server's evidence alone."""
