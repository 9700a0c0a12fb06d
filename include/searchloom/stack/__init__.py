"""The local stack: get, start, watch and stop the processes of the local profile."""
