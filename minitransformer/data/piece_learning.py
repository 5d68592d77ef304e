"""Section 3.3, before the embedding: which pieces there are: frequent characters, and what is merged from them."""

import collections
import heapq

from minitransformer.data.bert_words import stands_alone

INSIDE = "##"  # prefix of a piece that continues a word
COVERAGE = 0.9995  # of the text must be spelt, however many characters that takes (SentencePiece: `character_coverage`)


def learn_pieces(words: collections.Counter[str], size: int) -> list[str]:
    """The characters of the words, then, up to `size`, the results of merging the most frequent pair of pieces.

    The characters come by frequency, as the start of a word and, unless they stand alone, inside one. They may take
    half of the vocabulary, or more where COVERAGE needs it; the others come last, as far as there is room.
    """
    alphabet = by_frequency(words)
    kept, rest = alphabet_within(alphabet, size)
    letters = {form.removeprefix(INSIDE) for form in kept}
    spelt = [word for word in words if letters.issuperset(word)]
    split = [[word[0], *(INSIDE + letter for letter in word[1:])] for word in spelt]
    pieces = joined(split, [words[word] for word in spelt], kept, size)
    return [*pieces, *rest[: size - len(pieces)]]


def by_frequency(words: collections.Counter[str]) -> list[tuple[str, int]]:
    """The characters with how often they occur, the most frequent first, then in the order of their code points."""
    counts: collections.Counter[str] = collections.Counter()
    for word, n in words.items():
        for letter in word:
            counts[letter] += n
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


def alphabet_within(alphabet: list[tuple[str, int]], size: int) -> tuple[list[str], list[str]]:
    """The single-character pieces that are kept, and the rest, each by falling frequency."""
    enough = COVERAGE * sum(n for _, n in alphabet)
    kept: list[str] = []
    rest: list[str] = []
    covered = 0
    for letter, n in alphabet:
        forms = [letter] if stands_alone(letter) else [letter, INSIDE + letter]
        wanted = covered < enough or len(kept) + len(forms) <= size // 2
        if wanted and not rest and len(kept) + len(forms) <= size:
            kept += forms
        else:
            rest += forms
        covered += n
    return kept, rest


def joined(words: list[list[str]], counts: list[int], alphabet: list[str], size: int) -> list[str]:
    """The alphabet and the pieces merged from it, until no pair occurs twice (Sennrich et al. 2016).

    Of equally frequent pairs, the first in code point order is merged. A merge visits only the words that have the
    pair.
    """
    pieces = dict.fromkeys(alphabet)  # in order, without duplicates: "ab" + "c" and "a" + "bc" both give "abc"
    frequency: collections.Counter[tuple[str, str]] = collections.Counter()
    where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)

    def count(number: int, sign: int) -> set[tuple[str, str]]:
        """Add the pairs of a word to the counts, or subtract them. -> the pairs"""
        pairs = list(zip(words[number], words[number][1:], strict=False))
        for pair in pairs:
            frequency[pair] += sign * counts[number]
            (where[pair].add if sign > 0 else where[pair].discard)(number)
        return set(pairs)

    for number in range(len(words)):
        count(number, +1)
    heap = [(-n, pair) for pair, n in frequency.items()]  # outdated entries stay in it and are skipped
    heapq.heapify(heap)
    while heap and len(pieces) < size:
        n, pair = heapq.heappop(heap)
        if -n != frequency[pair]:
            continue
        if -n < 2:
            break
        whole = pair[0] + pair[1].removeprefix(INSIDE)
        pieces[whole] = None
        changed: set[tuple[str, str]] = set()
        for number in list(where[pair]):
            changed |= count(number, -1)
            words[number] = with_pair_joined(words[number], pair, whole)
            changed |= count(number, +1)
        for other in changed:
            if frequency[other] > 0:
                heapq.heappush(heap, (-frequency[other], other))
    return list(pieces)


def with_pair_joined(word: list[str], pair: tuple[str, str], whole: str) -> list[str]:
    result = []
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            result.append(whole)
            i += 2
        else:
            result.append(word[i])
            i += 1
    return result
