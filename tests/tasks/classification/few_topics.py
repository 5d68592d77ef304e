"""A few docstrings of three topics, each with words of its own, for classifiers that learn in a second."""

from minitransformer.data.docstrings import Docstring
from minitransformer.data.word_pieces import word_piece_vocabulary

WORDS = {"queue": "thread lock wait task", "glob": "file path folder disk", "xml": "node tag element tree"}


def docstring(number):
    module = list(WORDS)[number % 3]
    words = WORDS[module].split()
    several = " ".join(words[number // 3 % 4 :] + words[number % 2 :])
    return Docstring(f"{module}.f{number}", f"Number {number}: {several}, and so on and so forth.")


DOCSTRINGS = [docstring(number) for number in range(90)]
VOCABULARY = word_piece_vocabulary([d.text for d in DOCSTRINGS], 200)
