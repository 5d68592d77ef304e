"""Whole systems: layers put together into the models that the text names."""
