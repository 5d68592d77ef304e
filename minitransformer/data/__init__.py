"""Text as numbers: corpora that come with every Python or from the reader's file, vocabularies, and batches."""
