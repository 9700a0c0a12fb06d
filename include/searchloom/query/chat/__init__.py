"""Chat: answers by the language model from numbered passages, every claim checked against them."""
