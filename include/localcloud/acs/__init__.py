"""What all ACS3-signed services share: the signature, the dispatch by action, the form of answers and errors."""
