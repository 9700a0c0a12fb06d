"""Operators for both engines: the type of the connection says which one it is."""
