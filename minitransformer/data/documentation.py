"""What there is to pretrain on without a download: the Python reference and docstrings, 4 MB of technical English."""

from collections.abc import Iterator

from minitransformer.data.corpus import Corpus, Document, reference_documents, with_elsewhere
from minitransformer.data.docstrings import library_docstrings, numpy_docstrings


def documentation() -> Corpus:
    """The language reference and the docstrings of NumPy and of the standard library, each with its own split.

    The docstrings that the tasks of 3.5 are tested on are on the same sides here: pretraining has not seen them.
    """
    docstrings = [*numpy_docstrings(), *library_docstrings()]

    def documents() -> Iterator[Document]:
        yield from reference_documents()
        for docstring in docstrings:
            yield Document(docstring.side, docstring.text)

    return with_elsewhere("the Python reference and the docstrings of NumPy and the standard library", (), documents)
