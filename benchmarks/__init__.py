"""The figures of smtpfix beside those of its peers: ``python -m benchmarks``; see docs/performance.md."""
