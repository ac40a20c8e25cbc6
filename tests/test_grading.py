"""The grader's marks: right answers of every style earn all, wrong ones lose some and hear why."""

import json
from pathlib import Path
from typing import Any

import assignments
import chapters
import pytest
import torch
from answers import a2 as answers
from assigned import SEEDS, Assigned, by_seed, judged, known_wrong_answers_are_told, package_functions, write
from nbclient.exceptions import CellExecutionError

from genimg_utils import losses, metrics
from genimg_utils.grading import a2, adapters, folder, grade, report, seeds, similarity, submission, wire
from genimg_utils.grading.a2.convention import IN_WORDS
from genimg_utils.grading.question import InProcess, Verdict

ASSIGNED = Assigned(a2, answers)
asked, run = ASSIGNED.asked, ASSIGNED.run
NAMES = [*answers.MAKERS, "train"]


# --- right, blank, wrong ---


@by_seed(6)
def test_right_answers_of_every_style_earn_all_marks(seed: str) -> None:
    ASSIGNED.right_answers_of_every_style_earn_all_marks(seed)


@by_seed(3)
def test_every_known_wrong_answer_loses_marks_and_earns_its_own_hint(seed: str) -> None:
    known_wrong_answers_are_told(a2.questions(a2.drawn(seed), seed)[:-1])


@by_seed(3)
def test_wrong_answers_as_students_write_them(seed: str) -> None:
    questions = asked(seed)
    for name, source, words in answers.slips(a2.drawn(seed)):
        verdict = judged(questions[name], run(source)[name])
        assert verdict.mark == "✗"
        assert verdict.earned < questions[name].marks
        assert words in verdict.text, (source, verdict)


@pytest.mark.parametrize("blank", ["raise NotImplementedError", "...", "return None", "pass"])
def test_blanks_answer_with_a_circle_and_earn_nothing(blank: str) -> None:
    ASSIGNED.blanks_earn_nothing(blank, in_place={"train"})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lambda *a: 'four'", "it returned str, and numbers are wanted"),
        ("lambda *a: torch.zeros(0)", "it should be a tensor of shape [2]"),
        ("lambda *a: torch.zeros(2, dtype=torch.bool)", "numbers are wanted"),
        ("lambda *a: torch.full((len(a[0]),), float('nan'))", "entries of your answer are off"),
        ("lambda *a: a[0].sum() / 'x'", "your code raised TypeError"),
        ("lambda *a: a[0].fill_(0).sum(1)", "entries of your answer are off"),
    ],
)
def test_what_no_one_foresaw_gets_a_sentence(source: str, words: str) -> None:
    question = asked("odd")["kl"]
    verdict = judged(question, run(f"f = {source}")["f"])
    assert (verdict.mark, verdict.earned) == ("✗", 0)
    assert words in verdict.text


@by_seed(3)
def test_feedback_tells_no_hidden_number_and_no_solution(seed: str) -> None:
    """Exceptions on hidden inputs lose their words, and an unknown error is told by shapes."""
    question = asked(seed)["kl"]
    shown = question.example[0].tolist()
    tattle = (
        "def kl(a, b):\n    if a.tolist() == shown:\n        return torch.zeros(len(a))\n    raise ValueError(str(a))"
    )
    text = judged(question, run(tattle, shown=shown)["kl"]).text
    assert text == "on an input that the example lacks, your code raised ValueError."
    named = tattle.replace("ValueError(str(a))", "type(str(a.sum().item()), (Exception,), {})")
    text = judged(question, run(named, shown=shown)["kl"]).text
    assert text == "on an input that the example lacks, your code raised an exception of its own."
    text = judged(question, lambda a, b: a.sum(dim=1) + 17).text
    assert "given a tensor of shape [4, 3], a tensor of shape [4, 3], 4 of 4 entries" in text
    for question in a2.questions(a2.drawn(seed), seed):
        for hint in question.wrong:
            for convention in IN_WORDS.values():
                hint = hint.replace(convention, "")
            assert not any(word in hint for word in ("exp(", "log_prob", "logsumexp", "** 2", "**2"))
            assert "\n" not in hint


class Recorder(InProcess):
    """A session that notes what it is asked, in order."""

    broken: dict[int, str] = {}  # noqa: RUF012
    walls: list[str] = []  # noqa: RUF012
    asked: list[tuple[str, bool]] = []  # noqa: RUF012

    def __init__(self, *_: Any) -> None:
        functions = run(answers.solution(a2.drawn("order"))) | {"train": lambda *_: None}
        super().__init__(**{name: functions[name] for name in NAMES})
        self.examples = {q.name: q.example for q in a2.questions(a2.drawn("order"), "order")}

    def begin(self) -> None: ...

    def close(self) -> None: ...

    def call(self, name: str, arguments: tuple, slopes: tuple[int, ...] = (), left: tuple[int, ...] = ()) -> Any:
        example = self.examples[name]
        self.asked.append((name, bool(example) and torch.equal(arguments[0], example[0])))
        return super().call(name, arguments, slopes, left)


def test_student_code_sees_hidden_inputs_only_when_nothing_more_of_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one part's message could carry another part's hidden numbers."""
    monkeypatch.setattr(grade, "Session", Recorder)
    result = grade.grade("a2", write(tmp_path / "x.ipynb", "x = 1"), "order")
    assert result["marks"] == 75
    examples = [public for _, public in Recorder.asked]
    assert examples == sorted(examples, reverse=True)
    assert sum(examples) == len(NAMES) - 1


def test_a_notebook_of_another_hand_out_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "x.ipynb", "x = 1", genimg={"handout": "abcdef"})
    assert submission.read(path).handout == "abcdef"
    handed = assignments.handed_out(chapters.read(assignments.SOURCES / f"{a2.NOTEBOOK}.ipynb"), a2, "one")
    assert handed["metadata"]["genimg"]["handout"] == seeds.fingerprint(a2.drawn("one"))


# --- what a seed draws ---


@pytest.mark.filterwarnings("ignore")
@by_seed(20)
def test_neither_the_public_solution_nor_the_package_passes_a_part(seed: str) -> None:
    public, functions = ASSIGNED.public_solution(), package_functions(losses, losses.vae, metrics)
    for question in a2.questions(a2.drawn(seed), seed)[:-1]:
        for function in [public[question.name], *functions]:
            assert judged(question, function).earned == 0, (question.name, function)


def test_the_public_solution_passes_what_it_was_written_for() -> None:
    ASSIGNED.the_public_solution_passes_what_it_was_written_for()


def test_a_seed_draws_the_same_again_and_another_seed_others() -> None:
    ASSIGNED.a_seed_draws_the_same_again_and_another_seed_others("elbo")


def test_marks_add_up_to_a_hundred() -> None:
    ASSIGNED.marks_add_up_to_a_hundred()


# --- training ---

WAYS = {
    "the KL weighs less": "({kl} / 2 - {log_p}).mean()",
    "likelihood weighs less": "({kl} - {log_p} / 2).mean()",
    "is the KL in your loss": "(-{log_p}).mean()",
    "was the decoder trained on samples": "({kl} - log_likelihood(decoder(mean), x)).mean()",
    "gather around 0": "(td.kl_divergence(td.Normal(mean, {s}), td.Normal(0.0, 1.0)).sum(1) - {log_p}).mean()",
    "next to nothing": "({kl}.sum() - {log_p}.mean())",
    "climb where you meant to descend": "({log_p} - {kl}).mean()",
}


def trained_with(c: a2.Convention, seed: str, loss: str = "", steps: int = 2500) -> Verdict:
    s = answers.SIGMA[c.width]
    log_p = f"log_likelihood(decoder(sample({c.two()}, torch.randn_like(mean)[None])[0]), x)"
    loss = loss.format(kl=f"kl({c.two()})", log_p=log_p, s=s)
    function = run(answers.solution(c) + answers.train(c, steps, loss))["train"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return judged(asked(seed)["train"], function)


@pytest.mark.full
def test_the_reference_passes_the_gate_and_a_short_run_does_not() -> None:
    c = a2.drawn(SEEDS[0])
    verdict = trained_with(c, SEEDS[0])
    assert (verdict.mark, verdict.earned) == ("✓", 15)
    short = trained_with(c, SEEDS[0], steps=60)
    assert short.earned < 15
    idle = judged(asked(SEEDS[0])["train"], lambda points, encoder, decoder: None)
    assert idle.text == "the encoder came back as it was handed over: train it in place."


def test_training_without_the_kl_is_recognised() -> None:
    verdict = trained_with(a2.drawn(SEEDS[1]), SEEDS[1], WAYS["is the KL in your loss"], steps=400)
    assert (verdict.earned, verdict.hint) == (0, True)
    assert "is the KL in your loss" in verdict.text


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_each_way_to_train_wrongly_is_told(seed: str) -> None:
    c = a2.drawn(seed)
    assert trained_with(c, seed).earned == 15
    for words, loss in WAYS.items():
        verdict = trained_with(c, seed, loss, steps=1500)
        assert verdict.earned < 15
        assert words in verdict.text, verdict


# --- notebooks as files ---


UNREADABLE = {
    "its text is not JSON": "{not json",
    "is not JSON. Save it": "[" * 100_000,
    "no list of cells": '{"cells": 3}',
    "of format 4": '{"worksheets": []}',
    "more than 500": json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}] * 2_000}),
    "a kernel": json.dumps({"cells": [], "metadata": {"kernelspec": {"language": "R"}}}),
    "a million characters": json.dumps({"cells": [{"cell_type": "code", "source": "x" * 2_000_000}]}),
}


@pytest.mark.parametrize("words", UNREADABLE)
def test_what_is_no_notebook_of_ours_earns_a_sentence(words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(UNREADABLE[words])
    result = grade.grade("a2", path, "seed")
    assert words.removeprefix("a ") in result["problem"]
    assert (result["marks"], result["of"]) == (0, 90)


def test_binaries_links_and_missing_files_earn_a_sentence(tmp_path: Path) -> None:
    binary, link = tmp_path / "binary.ipynb", tmp_path / "link.ipynb"
    binary.write_bytes(bytes(range(256)) * 100)
    link.symlink_to(binary)
    for path in (binary, link, tmp_path / "none.ipynb", tmp_path):
        with pytest.raises(submission.Unreadable):
            submission.read(path)


def test_metadata_of_any_form_change_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "x.ipynb", "a = 1")
    plain = submission.read(path).cells
    for odd in (None, [], 3, "x", {"genimg": 3}, {"genimg": {"answer": ["kl"], "text": {}}}, {"tags": None}):
        nb = json.loads(path.read_text())
        nb["metadata"], nb["cells"][0]["metadata"] = odd, odd
        (tmp_path / "y.ipynb").write_text(json.dumps(nb))
        assert submission.read(tmp_path / "y.ipynb").cells == plain


def test_preflight_says_what_is_there_and_no_marks(tmp_path: Path) -> None:
    blank = "def sample(a):\n    raise NotImplementedError"
    twice = ("def kl(a, b):\n    return a", "kl = lambda a, b: b")
    path = write(tmp_path / "x.ipynb", *twice, blank, "def broken(:", "%matplotlib inline")
    lines = submission.preflight(path, ["kl", "sample", "elbo"], ["why"])
    assert lines == [
        "✓ kl: would be graded; it is defined 2 times, and the last one counts.",
        "○ sample: not answered yet.",
        "✗ elbo: no cell defines it, so it cannot be graded.",
        "✗ why: the cell for the answer in words is gone, or lost its metadata: copy it from the hand-out.",
        "✗ cell 4: Python cannot read it (line 1), so nothing in it counts.",
    ]


# --- the hand-out ---


def test_student_versions_hold_no_solution_and_change_no_committed_file(tmp_path: Path) -> None:
    ASSIGNED.student_versions_hold_no_solution(tmp_path, "logsumexp", "optimiser")


def test_a_source_is_what_its_base_convention_makes_of_it() -> None:
    ASSIGNED.a_source_is_what_its_base_convention_makes_of_it()


@pytest.mark.full
def test_a_hand_out_stops_at_its_first_blank(tmp_path: Path) -> None:
    assert assignments.main(["--out", str(tmp_path)]) == 0
    with pytest.raises(CellExecutionError) as stopped:
        chapters.run(tmp_path / f"{a2.NOTEBOOK}.ipynb", lambda *_: None)
    assert stopped.value.ename == "NotImplementedError"
    cells = stopped.value.notebook.cells
    ran = [cell.metadata.get("genimg", {}).get("generated") for cell in cells if cell.get("outputs")]
    assert ran == ["example kl"]


@by_seed(3)
def test_examples_of_a_hand_out_hold_for_right_answers(seed: str) -> None:
    ASSIGNED.examples_hold_for_right_answers(seed, count=7, columns=110)


# --- pages ---


def made_up(**marks: int) -> report.Report:
    parts = [
        {"name": n, "title": n, "marks": m, "of": 10, "mark": "✓" if m == 10 else "✗", "text": "<b>why</b>",
         "known": m < 10, "read": "chapter 05"} for n, m in marks.items()
    ]  # fmt: skip
    about = {"assignment": "a2", "problem": "", "handout": "abcdef", "cells": {"3": "<script>"}, "by_hand": 10}
    return about | {"parts": parts, "marks": sum(marks.values()), "of": 10 * len(marks)}


def test_pages_and_tables_take_nothing_literally() -> None:
    every = {"=cmd()": made_up(kl=10, elbo=4), "<i>ann</i>": made_up(kl=0, elbo=4)}
    page, summary = report.feedback(every["=cmd()"], "<i>ann</i>"), report.summary(every)
    for text in (page, summary):
        assert "<b>why" not in text
        assert "<script>" not in text
        assert "<i>ann" not in text
    assert "14 of 20 marks" in page
    assert "mean 9.0 of 20" in summary
    assert report.table(every).splitlines() == [
        "student,marks,of,kl,elbo,hand-out,problem",
        "'=cmd(),14,20,10,4,abcdef,",
        "<i>ann</i>,4,20,0,4,abcdef,",
    ]


def test_names_of_students_stay_in_their_folder(tmp_path: Path) -> None:
    names = ["../../up", "a/b", "..", ".", "", "=1+1", "ann", "Zoë K.", "x" * 300, "a\nb"]
    safe = [folder.plain(name) for name in names]
    assert len(set(safe)) == len(names)
    assert [folder.plain(name) for name in safe] == safe
    for name in safe:
        assert (tmp_path / f"{name}.json").resolve().parent == tmp_path.resolve()
    assert safe[6] == "ann"


def test_a_folder_is_read_flat_or_by_student(tmp_path: Path) -> None:
    write(tmp_path / "ann.ipynb", "x = 1")
    (tmp_path / "bob/a2").mkdir(parents=True)
    write(tmp_path / "bob/a2/notebook.ipynb", "x = 1")
    (tmp_path / "eve").symlink_to(tmp_path / "bob")
    assert {k: v.name for k, v in folder.submissions(tmp_path).items()} == {"ann": "ann.ipynb", "bob": "notebook.ipynb"}


def test_results_are_known_again_by_notebook_seed_and_version(tmp_path: Path) -> None:
    path = write(tmp_path / "ann.ipynb", "x = 1")
    result = {"key": grade.key("a2", "s"), "sha256": submission.read(path).sha256, "marks": 3}
    place = tmp_path / "ann.json"
    place.write_text(json.dumps(result))
    assert folder.known(place, path, grade.key("a2", "s")) == result
    assert folder.known(place, path, grade.key("a2", "t")) is None
    write(path, "x = 2")
    assert folder.known(place, path, grade.key("a2", "s")) is None
    place.write_text("{")
    assert folder.known(place, path, grade.key("a2", "s")) is None


# --- messages ---


def test_messages_carry_numbers_tensors_and_networks() -> None:
    arguments = (
        torch.ones(2, 3),
        4,
        0.5,
        wire.mlp([torch.ones(2, 3), torch.zeros(2), torch.ones(1, 2), torch.zeros(1)]),
    )
    words, tensors = wire.sent(arguments)
    raw = wire.packed({"arguments": words}, tensors)
    said, found = unpacked(raw)
    back = wire.received(said["arguments"], found)
    assert torch.equal(back[0], arguments[0])
    assert back[1:3] == arguments[1:3]
    assert torch.equal(back[3](arguments[0]), arguments[3](arguments[0]))


def unpacked(raw: bytes) -> Any:
    place = iter(range(len(raw)))
    return wire.unpacked(lambda n: bytes(raw[next(place)] for _ in range(n)))


@pytest.mark.parametrize(
    "raw",
    [
        wire.LENGTHS.pack(2**31, 0), wire.LENGTHS.pack(0, 2**31), wire.LENGTHS.pack(3, 0) + b"{x}",
        wire.LENGTHS.pack(2, 0) + b"[]", wire.LENGTHS.pack(2, 9) + b"{}" + b"x" * 9,
        wire.LENGTHS.pack(2**15, 0) + b"[" * 2**15,
    ],
)  # fmt: skip
def test_garbled_messages_are_refused(raw: bytes) -> None:
    with pytest.raises(wire.Garbled):
        unpacked(raw)


# --- other systems ---


def test_gradescope_reads_marks_and_sentences() -> None:
    result = adapters.gradescope(made_up(kl=10, elbo=4) | {"seconds": 2.0})
    assert json.loads(json.dumps(result)) == result
    assert result["score"] == sum(test["score"] for test in result["tests"]) == 14
    assert [test["status"] for test in result["tests"]] == ["passed", "failed"]
    assert result["output"] == "Cell 3 failed: <script>"


MOODLE = "\ufeffFull name,Email address,Quiz\nAnn A,ann@x.org,3\nBob B,bob@x.org,\n"
CANVAS = 'Student,ID,SIS Login ID,Section,a2\nPoints Possible,,,,90\n"A, Ann",11,ann,S1,\n"B, Bob",12,bob,S1,5\n'


def test_gradebooks_are_filled_and_strangers_named() -> None:
    filled, strangers = adapters.roster(MOODLE, {"Ann A_77_assignsubmission_file_": 54, "eve": 1}, "Full name", "a2")
    assert filled == "Full name,Email address,Quiz,a2\nAnn A,ann@x.org,3,54\nBob B,bob@x.org,,\n"
    assert strangers == ["eve"]
    filled, strangers = adapters.roster(CANVAS, {"bob_12_991_a2": 7.5, "aann_11_992_a2": 90}, "ID", "a2")
    assert filled.splitlines()[1:] == ["Points Possible,,,,90", '"A, Ann",11,ann,S1,90', '"B, Bob",12,bob,S1,7.5']
    assert strangers == []
    with pytest.raises(ValueError, match="no column 'Mail'; it has: 'Student', 'ID'"):
        adapters.roster(CANVAS, {}, "Mail", "a2")


def test_classroom_gets_points_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    assert adapters.classroom(made_up(kl=10, elbo=4)) == 1
    assert adapters.classroom(made_up(kl=10, elbo=10)) == 0
    assert (tmp_path / "output").read_text() == "Points=14/20\nPoints=20/20\n"
    assert "Points 14/20" in capsys.readouterr().out


def test_copied_answers_are_listed_and_the_hand_out_is_not(tmp_path: Path) -> None:
    c = a2.drawn("one")
    shared = "# the hand-out says that every point has one number\nimport math\n"
    sources = {"ann": answers.solution(c), "bob": answers.solution(c).replace("    ", "  "), "broken": "def f(:\n x ="}
    for i in range(4):
        sources[f"other{i}"] = "\n".join(make(c)[i] for make in answers.MAKERS.values()).replace("x", f"x{i}")
    found = {name: write(tmp_path / f"{name}.ipynb", shared + source) for name, source in sources.items()}
    pairs = similarity.shares(found)
    assert [pair[1:] for pair in pairs] == [("ann", "bob")]
    assert similarity.table(found).splitlines()[1].endswith(",ann,bob")
