"""Is it right? The index of the text, its equations as loops, and the gradient check with a point for each pair."""
