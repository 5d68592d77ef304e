"""Equations with weights. Each file holds the weights of one layer as a NamedTuple, its start values, forward and backward."""
