"""Which words of a growing utterance can be told: those that successive hypotheses agree on.

The policy is local agreement of two hypotheses (LocalAgreement-2; Liu et al. 2020, "Low-latency
sequence-to-sequence speech recognition and translation by partial hypothesis selection", used for
Whisper by Macháček et al. 2023, "Turning Whisper into a real-time transcription system").
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.pipelines.phonetics import alike

# Of words that are told, those below are often wrong; what is said next decides, for so long.
_DOUBTFUL_PROBABILITY = 0.5
_DECIDED_NS = 1_000_000_000
# Words that lie further apart are different ones, however alike.
_SAME_TIME_NS = 600_000_000
# A word like another one in its place is that one misheard; an unlike one is another word.
_MISHEARD_LIKENESS = 0.6
_MISHEARD_COST = 0.5
_ANOTHER_COST = 1.5
_TIME_WEIGHT_PER_S = 0.2


def key_of(text: str) -> str:
    """A word without case and punctuation, as words are compared."""
    kept = "".join(c for c in text.casefold() if c.isalnum() or c in "'\u2019")
    return kept.replace("\u2019", "'").strip("'") or text


def continuation(told: Sequence[SpokenWord], heard: Sequence[SpokenWord]) -> int:
    """How many words of a hypothesis were told already: the rest continues them.

    Words come back changed, split or joined. What was told is that beginning of the hypothesis
    which has the least edit distance to it, where only words of about the same time are the same;
    between equals, the one that ends at the same time.
    """
    if not told:
        return 0
    keys = [key_of(word.text) for word in heard]
    row = [float(place) for place in range(len(keys) + 1)]
    for index, word in enumerate(told, 1):
        wanted = key_of(word.text)
        diagonal, row[0] = row[0], float(index)
        for place, key in enumerate(keys, 1):
            change = _ANOTHER_COST
            if _at_same_time(word, heard[place - 1]):
                change = _cost_of_change(wanted, key)
            cost = min(row[place] + 1, row[place - 1] + 1, diagonal + change)
            diagonal, row[place] = row[place], cost
    end_ns = told[-1].end_ns

    def cost_of(count: int) -> float:
        ends_ns = heard[count - 1].end_ns if count else heard[0].start_ns
        return row[count] + _TIME_WEIGHT_PER_S * abs(ends_ns - end_ns) / 1e9

    return min(range(len(keys) + 1), key=cost_of) if keys else 0


def _cost_of_change(told: str, heard: str) -> float:
    if told == heard:
        return 0.0
    likeness = SequenceMatcher(None, told, heard, autojunk=False).ratio()
    return _MISHEARD_COST if likeness >= _MISHEARD_LIKENESS else _ANOTHER_COST


def _at_same_time(one: SpokenWord, other: SpokenWord) -> bool:
    # A pause before or after a word may be counted to it.
    apart_ns = min(abs(one.start_ns - other.start_ns), abs(one.end_ns - other.end_ns))
    return apart_ns <= _SAME_TIME_NS


def agreed(before: Sequence[SpokenWord], now: Sequence[SpokenWord]) -> int:
    """How many words two hypotheses have in common from their beginning."""
    count = 0
    for one, other in zip(before, now):
        if key_of(one.text) != key_of(other.text):
            break
        count += 1
    return count


def _is_refrain(words: Sequence[SpokenWord]) -> bool:
    """Whether they are several words that come twice or more, and nothing else."""
    keys = [key_of(word.text) for word in words]
    lengths = range(2, len(keys) // 2 + 1)
    return any(keys[length:] == keys[:-length] for length in lengths)


class GrowingText:
    """The words of one utterance: once told they stay."""

    def __init__(self) -> None:
        self.told: tuple[SpokenWord, ...] = ()
        self._pending: tuple[SpokenWord, ...] = ()

    def hear(
        self,
        heard: Sequence[SpokenWord],
        until_ns: int | None = None,
        urgent: Collection[str] = (),
    ) -> bool:
        """Take a hypothesis of all that was said so far.

        Args:
            heard: its words.
            until_ns: words that end later may be cut off, and wait, and so does the last one;
                None: nobody speaks at the end of the sound, so that all are whole. Words from the
                first doubtful one on wait anyway; once any are told, until a second more is heard.
                A refrain waits: it goes on otherwise, or is the beginning of a loop.
            urgent: words in lower case that never wait once two hypotheses agree on them.

        Returns:
            Whether more can be told than before.
        """
        rest = tuple(heard[continuation(self.told, heard) :])
        if agreed(self.told, heard) == len(self.told):
            self.told = tuple(heard[: len(self.told)])  # with the newest punctuation
        common = agreed(self._pending, rest)
        count = 0 if _is_refrain(heard) else len(rest)
        if until_ns is not None:
            count = min(count, common, max(0, len(rest) - 1))
            while count and rest[count - 1].end_ns > until_ns:
                count -= 1
        count = next((i for i in range(count) if self._doubts(rest[i], rest[-1].end_ns)), count)
        for place in range(count, common):
            if any(alike(key_of(rest[place].text), word) for word in urgent):
                count = place + 1
        self.told += rest[:count]
        self._pending = rest[count:]
        return count > 0

    def _doubts(self, word: SpokenWord, heard_ns: int) -> bool:
        """Whether what is said next may still change a word; or nobody may have said it."""
        decided = bool(self.told) and heard_ns - word.end_ns >= _DECIDED_NS
        return word.probability < _DOUBTFUL_PROBABILITY and not decided

    def finish(self, heard: Sequence[SpokenWord]) -> tuple[SpokenWord, ...]:
        """All words, with the last hypothesis's punctuation where it has the same words."""
        count = continuation(self.told, heard)
        same = agreed(self.told, heard) == len(self.told) == count
        return tuple(heard) if same else self.told + tuple(heard[count:])
