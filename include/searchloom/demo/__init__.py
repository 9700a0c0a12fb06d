"""The demo: a real corpus that every machine has, every DAG on it, and a report."""
