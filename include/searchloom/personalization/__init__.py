"""An order that is right for each person: what is learned from behaviour, and how it is served.

Offline ``fit`` and ``ranker`` learn from events; online ``serve`` reads what they wrote. Both call the same
``features``. What serves needs numpy and lmdb only.
"""
