"""Sections 2.3.1 and 3.3: pretraining BERT on text that nobody has labelled."""
