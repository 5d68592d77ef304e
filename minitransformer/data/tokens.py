"""A text as one long array of ids, on disk, so that a text of any length takes the same memory."""

import tempfile
from collections.abc import Iterable

import numpy as np

from minitransformer.checks import checked_texts
from minitransformer.data.vocabulary import Vocabulary

Array = np.ndarray


def tokens_on_disk(texts: Iterable[str], vocabulary: Vocabulary) -> Array:
    """The ids of the texts, one after the other.  -> (n,), unsigned, read-only, as small as the ids allow

    The file has no name and disappears with the array. What has been read stays in memory only while there is room.

    Raises ValueError if the temporary folder has no room for it.
    """
    dtype = np.min_scalar_type(vocabulary.size - 1)
    try:
        with tempfile.TemporaryFile() as file:
            n = 0
            for text in checked_texts("texts", texts):
                ids = vocabulary.encode(text).astype(dtype)
                file.write(ids.tobytes())
                n += len(ids)
            file.flush()
            return np.memmap(file, dtype, mode="r", shape=(n,)) if n else np.zeros(0, dtype)
    except OSError as error:
        folder = "any" if tempfile.tempdir is None else repr(tempfile.tempdir)
        raise ValueError(
            f"temporary folder: cannot write to {folder} ({error.strerror or error}), expected room for the text's "
            "ids; the environment variable TMPDIR names another folder"
        ) from error
