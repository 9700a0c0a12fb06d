"""How good a ranking is: judgments in, figures with intervals out."""
