"""Items, users and behaviour into AIRec: planned from what is new, sent in safe pieces, and reconciled.

A run is ``plan`` (what is new, cut into requests, written down), ``push`` for each table, ``reconcile`` (what became of
it, noted for the next run). Each may be repeated at any moment, ``kill -9`` included.
"""
