"""The mathematics of the text on plain arrays: each forward with its backward right below it."""
