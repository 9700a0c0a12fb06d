"""Training sets from what a company has, and the models that are trained on them."""
