"""Step through the library's own code, forward and backward, with the values: recorder, terminal view and page."""
