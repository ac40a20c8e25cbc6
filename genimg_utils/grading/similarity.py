"""Which submissions share more wording than chance explains: a list for a teacher to look at, never a verdict."""

import io
import tokenize
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from genimg_utils.grading import submission
from genimg_utils.grading.report import harmless

RUN = 6  # tokens that make a phrase
LEAST, COMMON = 0.5, 0.2  # share that is listed; share of the class that has a phrase
FEW = 100  # phrases that a share is of, at least
GRADER = "(the public grader)"


def phrases(source: str) -> set[tuple[str, ...]]:
    """Every run of a few tokens, names and comments as they stand, layout aside."""
    words = []
    own = "\n".join(line for line in source.split("\n") if not line.lstrip().startswith(("%", "!")))
    layout = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    try:
        for token in tokenize.generate_tokens(io.StringIO(own).readline):
            if token.type == tokenize.ERRORTOKEN:  # nothing in such a cell counts, and each may be looked for in all
                break  # that follows
            if token.type not in layout:
                words.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        pass  # what came before the fault is compared
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def public(assignment: str) -> set[tuple[str, ...]]:
    """What anyone can copy from the grader: an assignment's references."""
    room = Path(__file__).with_name(assignment).glob("*.py") if assignment else ()
    return set().union(*(phrases(path.read_text(encoding="utf-8")) for path in room))


def shares(found: Mapping[str, Path], assignment: str = "") -> list[tuple[float, str, str]]:
    """Pairs of students by the share of phrases that both have and few others do, of those of the one who has fewer,
    so that a copy cannot hide in code of no use; the largest first. The assignment's references are a student, too."""
    said: dict[str, set[tuple[str, ...]]] = {}
    for student, path in found.items():
        try:
            said[student] = set().union(*(phrases(text) for _, text in submission.read(path).cells))
        except submission.Unreadable:
            continue
    counts = Counter(phrase for own in said.values() for phrase in own)
    known, often = public(assignment), max(2, COMMON * len(said))
    rare = {student: {p for p in own if p in known or counts[p] <= often} for student, own in said.items()}
    pairs = []
    for one, other in combinations(rare, 2):
        share = len(rare[one] & rare[other]) / max(min(len(rare[one]), len(rare[other])), FEW)
        if share >= LEAST:
            pairs.append((round(share, 2), one, other))
    for one, own in said.items() if known else ():  # of all that is not everyone's: what a group shares is its own, too
        written = {p for p in own if counts[p] < len(said) or len(said) < 3}
        share = len(written & known) / max(min(len(written), len(known)), FEW)
        if share >= LEAST:
            pairs.append((round(share, 2), one, GRADER))
    return sorted(pairs, reverse=True)


def table(found: Mapping[str, Path], assignment: str = "") -> str:
    """The pairs as CSV."""
    lines = [f"{share},{harmless(one)},{harmless(other)}" for share, one, other in shares(found, assignment)]
    return "\n".join(["share of rare phrases,student,student", *lines]) + "\n"
