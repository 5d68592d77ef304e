"""Equations with weights: each file has a layer's weights as a NamedTuple, their start values, forward and backward."""
