"""The benchmarks as commands; what they do lies in ``benchmarks/``, beside their results."""
