"""Sections 3.5.1 and 6.3: reading comprehension, answers cut out of a text."""
