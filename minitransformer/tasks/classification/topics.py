"""Section 3.5.2: docstrings of the standard library, and the topic that their module is about."""

from collections.abc import Iterable
from typing import NamedTuple

from minitransformer.data.corpus import TEST, TRAINING, VALIDATION
from minitransformer.data.docstrings import Docstring, library_docstrings
from minitransformer.tasks.labels import drawn, shuffled

MODULES = {
    "concurrency": (
        "asyncio",
        "concurrent",
        "multiprocessing",
        "queue",
        "sched",
        "subprocess",
        "threading",
    ),
    "files": ("_pyio", "fileinput", "glob", "gzip", "os", "pathlib", "shutil", "tarfile", "tempfile", "zipfile"),
    "graphics": ("colorsys", "curses", "tkinter", "turtle"),
    "importing": ("importlib", "modulefinder", "pkgutil", "runpy", "zipimport"),
    "mail": ("email", "imaplib", "mailbox", "mimetypes", "poplib", "smtplib"),
    "numbers": ("_pydecimal", "fractions", "numbers", "random", "statistics"),
    "programs": ("argparse", "cmd", "configparser", "getopt", "logging", "optparse"),
    "source code": ("ast", "dis", "inspect", "lib2to3", "pyclbr", "pydoc", "token", "tokenize", "typing"),
    "testing": ("bdb", "doctest", "pdb", "profile", "pstats", "trace", "traceback", "tracemalloc", "unittest"),
    "web": ("ftplib", "html", "http", "socketserver", "urllib", "webbrowser", "wsgiref", "xmlrpc"),
    "xml": ("plistlib", "xml"),
}
TOPICS = tuple(MODULES)
SHORTEST = 40  # characters of a docstring that says something


class Labelled(NamedTuple):
    text: str
    topic: int  # of TOPICS


class Topics(NamedTuple):
    training: list[Labelled]
    validation: list[Labelled]
    test: list[Labelled]


def labelled(docstrings: Iterable[Docstring]) -> list[Labelled]:
    """The docstrings of modules that have a topic here."""
    topic_of = {module: TOPICS.index(topic) for topic, modules in MODULES.items() for module in modules}
    rows = []
    for docstring in docstrings:
        topic = topic_of.get(docstring.name.partition(".")[0])
        if topic is not None and len(docstring.text) >= SHORTEST:
            rows.append(Labelled(docstring.text, topic))
    return rows


def load_topics(seed: int = 0, labels: int | None = None) -> Topics:
    """Split by the function's name; of those to learn from `labels` (None: all), drawn by `seed`.

    Raises ValueError for more labels than there are.
    """
    docstrings = library_docstrings()
    training, validation, test = (
        labelled(docstring for docstring in docstrings if docstring.side == side)
        for side in (TRAINING, VALIDATION, TEST)
    )
    return Topics(drawn(training, labels, seed), shuffled(validation, 0), shuffled(test, 0))
