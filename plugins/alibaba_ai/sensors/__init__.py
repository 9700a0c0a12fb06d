"""Sensors: wait, in the triggerer, for what somebody else makes."""
