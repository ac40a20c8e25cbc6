"""One submission, graded: from a notebook's path to marks, each with its sentence."""

import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genimg_utils.grading import a1, a2, a3, seeds, submission
from genimg_utils.grading.question import Question, Verdict
from genimg_utils.grading.sandbox import Limits, Session

ASSIGNMENTS: dict[str, Any] = {about.NAME: about for about in (a1, a2, a3)}
PUZZLED = "?"  # the mark of what a teacher has to look at
VERSION = 4  # of what is graded and how: results of another version are made again


def key(assignment: str, seed: str, variants: int = 1) -> str:
    """A fingerprint of seed, hand-outs and version, by which results are known again; it does not tell the seed."""
    return hmac.new(seed.encode(), f"{assignment}/{VERSION}/{variants}".encode(), hashlib.sha256).hexdigest()[:16]


def handouts_of(assignment: str, seed: str, variants: int = 1) -> dict[str, str]:
    """The seed of each hand-out, by the letters that name it."""
    return {seeds.fingerprint(ASSIGNMENTS[assignment].drawn(own)): own for own in seeds.variants(seed, variants)}


def grade(
    assignment: str,
    path: Path,
    seed: str,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda _: None,
    variants: int = 1,
    given: str = "",
) -> dict[str, Any]:
    """Marks and feedback for one notebook, ready for JSON; by its own hand-out, where there are several of them.

    given: the hand-out that this student got, where the teacher knows: what the notebook says of itself is then only
    compared with it.
    """
    about, limits, start = ASSIGNMENTS[assignment], limits or Limits(), time.monotonic()
    report: dict[str, Any] = {"assignment": assignment, "key": key(assignment, seed, variants), "of": 0, "marks": 0}
    report |= {"problem": "", "handout": "", "sha256": "", "cells": {}, "walls": [], "words": {}}
    try:
        handed_in = submission.read(path)
    except Exception as error:  # one file may stop nobody else's marks
        known = isinstance(error, submission.Unreadable)
        report["problem"] = str(error) if known else f"this cannot be read ({type(error).__name__})."
        questions = about.questions(about.drawn(seed), seed)
        verdicts = [Verdict("✗", 0, "the notebook could not be read.") for _ in questions]
        return finished(report, questions, verdicts, about, start)
    report |= {"sha256": handed_in.sha256, "words": {k[:40]: v[:5000] for k, v in handed_in.words.items()}}
    handouts = handouts_of(assignment, seed, variants)
    if given and given not in handouts:
        raise ValueError(f"{given!r} is no hand-out of this seed: {', '.join(handouts)}.")
    named = given or handed_in.handout
    report["handout"] = named if named in handouts else next(iter(handouts))
    if handed_in.handout != report["handout"] and (handed_in.handout or variants > 1):
        report["problem"] = "this is another hand-out than the one that is graded: ask which is yours."
    own = handouts[report["handout"]]
    questions = about.questions(about.drawn(own), own)
    session = Session(handed_in.cells, limits)
    try:
        # Examples of all questions first: what student code says before it has seen hidden inputs may be shown.
        tried = [timed(session, progress, question.tried, question.name) for question in questions]
        verdicts = [
            first or timed(session, progress, question.compared, question.name)
            for question, first in zip(questions, tried, strict=True)
        ]
    finally:
        session.close()
    if puzzled := [v.text for v in verdicts if v.mark == PUZZLED]:
        report |= {"problem": f"a teacher has to look: {puzzled[0]}", "sha256": ""}  # so that it is graded again
    report |= {"cells": {str(n): text for n, text in session.broken.items()}, "walls": session.walls}
    return finished(report, questions, verdicts, about, start)


def timed(session: Session, progress: Callable[[str], None], judge: Callable[..., Any], name: str) -> Any:
    """A verdict within a question's seconds; one without marks where the grader does not know what came back."""
    progress(name)
    session.begin()
    try:
        return judge(session)
    except Exception as error:  # it costs this question, and neither the others nor another's marks
        return Verdict(PUZZLED, 0, f"what came back could not be judged ({type(error).__name__}).")


def finished(
    report: dict[str, Any], questions: list[Question], verdicts: list[Verdict], about: Any, start: float
) -> Any:
    parts = [
        {"name": q.name, "title": q.title, "marks": v.earned, "of": q.marks, "mark": v.mark, "text": v.text,
         "known": v.hint, "read": q.read if v.mark != "✓" else ""}
        for q, v in zip(questions, verdicts, strict=True)
    ]  # fmt: skip
    report |= {"parts": parts, "marks": sum(v.earned for v in verdicts), "of": sum(q.marks for q in questions)}
    report |= {"by_hand": about.TEXT_MARKS, "seconds": round(time.monotonic() - start, 1)}
    return report
