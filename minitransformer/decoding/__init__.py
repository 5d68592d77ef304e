"""From a model's probabilities to text."""
