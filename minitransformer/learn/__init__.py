"""What only a learner needs: the tour, the worked examples, the trace, and the gallery of mistakes."""
