"""What only a learner needs: the gradient check, the index of the text, and the tour."""
