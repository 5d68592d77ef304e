"""Section 6.1: machine translation by an encoder-decoder Transformer, between Chinese and English number phrases."""
