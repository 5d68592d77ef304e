"""Section 3.5.2: which topic a text is about."""
