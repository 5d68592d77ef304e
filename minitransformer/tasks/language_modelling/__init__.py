"""Sections 2.1 and 3.4: language modelling, by each generation of models that the text names, on one text."""
