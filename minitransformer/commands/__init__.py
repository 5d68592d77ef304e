"""The commands of the command line, by what they are for; `__main__` puts them together."""
