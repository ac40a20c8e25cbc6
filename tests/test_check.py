"""Every check three ways: right answers pass in any style, blanks answer ○, wrong ones earn a hint each."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from answers import CHAPTERS
from answers.styles import Module
from IPython.core.interactiveshell import InteractiveShell
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import softplus

from genimg_utils import check
from genimg_utils.check import CheckFailed, Choice, Exercise, plain
from genimg_utils.networks import Discriminator, Generator
from genimg_utils.steps import gan_step

PARTS = [check.start, check.gan, check.vae, check.cyclegan, check.judging, check.outlook, check.speed]
EXERCISES = [e for part in PARTS for e in vars(part).values() if isinstance(e, Exercise)]
CHOICES = [c for part in PARTS for c in vars(part).values() if isinstance(c, Choice)]
by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


RIGHT = {name: functions for chapter in CHAPTERS for name, functions in chapter.RIGHT.items()}
SOLUTIONS = {name: parts for chapter in CHAPTERS for name, parts in chapter.SOLUTIONS.items()}
AS_WRITTEN = [case for chapter in CHAPTERS for case in chapter.AS_WRITTEN]


@pytest.mark.parametrize(("name", "answer"), [(n, a) for n, answers in RIGHT.items() for a in answers])
def test_right_answers_pass_in_any_style(name: str, answer: Callable[..., Any], capsys) -> None:
    exercise = next(e for e in EXERCISES if e.name == name)
    exercise(answer)
    assert capsys.readouterr().out == f"✓ {name}: {exercise.confirms}\n"


@by_name
def test_the_reference_passes_and_there_are_three_other_styles(exercise: Exercise) -> None:
    assert exercise.judge(exercise.reference) == ("✓", exercise.confirms)
    assert len(RIGHT[exercise.name]) >= 3


# Blanks


def stub(*arguments): ...


def stub_with_docstring(*arguments):
    """What to write."""
    ...


@torch.no_grad()
def decorated_stub(*arguments): ...


def stub_that_returns_dots(*arguments):
    return ...


class BlankModule(nn.Module):
    def forward(self, *arguments): ...


BLANKS = [None, ..., stub, stub_with_docstring, decorated_stub, stub_that_returns_dots, BlankModule()]


@by_name
@pytest.mark.parametrize("blank", BLANKS)
def test_blanks_answer_with_a_circle(exercise: Exercise, blank: Any, capsys) -> None:
    assert exercise(blank) is None
    line = capsys.readouterr().out
    assert f"○ {exercise.name}: not answered yet" in line
    assert line.count("\n") == 1


def test_a_forgotten_return_is_told(capsys) -> None:
    def forgot(fake_logits):
        softplus(-fake_logits).mean()

    check.gan.generator_loss(forgot)
    assert "Is `return` missing?" in capsys.readouterr().out


def test_an_update_that_does_something_is_no_blank() -> None:
    assert check.gan.ema_update.judge(lambda average, weights, decay: average.reverse()).mark == "✗"


# Wrong answers


@by_name
def test_every_known_wrong_answer_earns_its_own_hint(exercise: Exercise) -> None:
    for hint, answers in exercise.wrong.items():
        for answer in answers:
            assert exercise.judge(answer) == ("✗", hint)


@by_name
def test_inputs_separate_all_answers_with_a_margin(exercise: Exercise) -> None:
    strict = replace(exercise, tolerance=10 * exercise.tolerance)
    answers = {hint: list(functions) for hint, functions in exercise.wrong.items()}
    answers |= {sentence: [variant] for sentence, variant in exercise.variants.items()}
    answers |= {"right": [exercise.reference]}
    seen = {hint: [strict.calls(f, exercise.inputs) for f in functions] for hint, functions in answers.items()}
    for one, other in combinations(seen, 2):
        assert not any(strict.agree(a, b) for a in seen[one] for b in seen[other]), (one, other)


@by_name
def test_at_least_four_wrong_answers_are_known_by_name(exercise: Exercise) -> None:
    assert len(exercise.wrong) + len(exercise.edges) >= 4


@by_name
def test_published_variants_pass_and_are_named(exercise: Exercise) -> None:
    for sentence, variant in exercise.variants.items():
        assert exercise.judge(variant) == ("✓", sentence)
        assert "variant" in sentence


@by_name
def test_hints_never_tell_the_solution_and_stay_on_one_line(exercise: Exercise) -> None:
    texts = [*exercise.wrong, *exercise.edges, exercise.property]
    for text in texts:
        assert not [part for part in SOLUTIONS[exercise.name] if part in text], text
    for text in [*texts, *exercise.variants, exercise.confirms]:
        assert "\n" not in text
        assert len(text) <= 200


@pytest.mark.parametrize(("exercise", "answer", "words"), AS_WRITTEN)
def test_wrong_answers_as_learners_write_them(exercise: Exercise, answer: Callable[..., Any], words: str) -> None:
    with pytest.raises(CheckFailed) as failure:
        exercise(answer)
    line = str(failure.value)
    assert line.startswith(f"✗ {exercise.name}: ")
    assert words in line
    assert "\n" not in line


# The machinery

DOUBLE = Exercise(
    name="double",
    confirms="twice as much.",
    property="even for whole numbers",
    reference=lambda x, by: 2 * x,
    inputs=[(torch.tensor([1.0, 2.0, 3.0]), 7)],
    wrong={"that is the square.": [lambda x, by: x**2]},
    edges={"nothing must become of infinity.": [(torch.tensor([math.inf, 0.0, 1.0]), 7)]},
)


def judged(answer: Any) -> str:
    mark, text = DOUBLE.judge(answer)
    return f"{mark} {text}"


def test_an_unknown_wrong_answer_shows_input_result_and_property() -> None:
    line = judged(lambda x, by: x + torch.tensor([1.0, 2.5, 0.0]))
    seen = "for x = [1.0, 2.0, 3.0], by = 7: your answer is 3 at entry 2, not 6"
    assert line == f"✗ {seen}. Expected: even for whole numbers."


def test_an_exception_becomes_one_line_with_the_line_of_the_function() -> None:
    def calls_another(x, by):
        y = x + by
        return fails(y)

    def fails(y):
        raise ValueError("first of two\nlines")

    line = calls_another.__code__.co_firstlineno + 2
    assert judged(calls_another) == f"✗ your code raised ValueError in line {line}: first of two"
    assert judged(Module(fails)).startswith("✗ your code raised TypeError in line ")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            torch.zeros(2),
            "✗ hand over the function itself, without calling it; this is a tensor of shape [2].",
        ),
        (4.0, "✗ hand over the function itself, without calling it; this is a value of type float."),
        (lambda x: x, "✗ your code raised TypeError: "),
        (lambda x, by: "six", "✗ your answer is a value of type str; it should be a tensor of shape [3]."),
        (
            lambda x, by: {"y": x},
            "✗ your answer is a value of type dict; it should be a tensor of shape [3].",
        ),
        (
            lambda x, by: x[:, None] * 2,
            "✗ your answer is a tensor of shape [3, 1]; it should be a tensor of shape [3].",
        ),
        (lambda x, by: x * x, "✗ that is the square."),
        (
            lambda x, by: (2 * x).nan_to_num(0),
            "✗ nothing must become of infinity. (for x = [inf, 0.0, 1.0], by = 7: ",
        ),
        (
            lambda x, by: [2 * math.floor(v) for v in x],
            "✗ nothing must become of infinity. (your code raised Overflow",
        ),
        (
            lambda x, by: x.mul_(2),
            "✗ for x = [1.0, 2.0, 3.0], by = 7: argument 1 after the call is 6 at entry 2, not 3.",
        ),
        (lambda x, by: [2 * float(v) for v in x], "✓ twice as much."),
        (lambda x, by: (2 * x).requires_grad_(), "✓ twice as much."),
    ],
)
def test_stages_come_in_order(answer: Any, line: str) -> None:
    assert judged(answer).startswith(line)


def test_a_function_that_changes_its_input_spoils_no_later_answer() -> None:
    DOUBLE.judge(lambda x, by: x.zero_())
    assert judged(DOUBLE.reference) == "✓ twice as much."


def test_keyboard_interrupt_is_not_swallowed() -> None:
    def interrupted(x, by):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DOUBLE.judge(interrupted)


def test_functions_without_code_of_their_own_are_judged() -> None:
    assert judged(partial(torch.mul, 2)).startswith("✗ your code raised TypeError")
    assert judged(partial(lambda two, x, by: two * x, 2)) == "✓ twice as much."


def test_neither_import_nor_judging_draws_from_the_global_generators() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    rooms = [path for path in Path(check.__file__).parent.rglob("*.py") if path.stem != "__init__"]
    assert len(rooms) > 5
    for path in rooms:
        spec = spec_from_file_location(path.stem, path)
        spec.loader.exec_module(module_from_spec(spec))
    for exercise in EXERCISES:
        exercise.judge(exercise.reference)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """An IPython of its own, as a notebook's cell meets it."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    shell.user_ns["check"] = SimpleNamespace(double=DOUBLE)
    yield shell
    shell.history_manager.end_session()


def test_in_ipython_a_wrong_answer_is_one_line_and_fails_the_cell(shell, capsys) -> None:
    result = shell.run_cell("check.double(lambda x, by: x ** 2)")
    out, err = capsys.readouterr()
    assert (out + err).strip() == "✗ double: that is the square."
    assert isinstance(result.error_in_exec, CheckFailed)


def test_in_ipython_the_line_of_an_exception_is_the_line_of_the_cell(shell, capsys) -> None:
    shell.run_cell("def double(x, by):\n    y = x\n    return y / 0 + undefined\n\ncheck.double(double)")
    assert capsys.readouterr().out.strip() == (
        "✗ double: your code raised NameError in line 3: name 'undefined' is not defined"
    )


def test_in_ipython_a_blank_passes(shell, capsys) -> None:
    result = shell.run_cell("def double(x, by):\n    ...\n\n\ncheck.double(double)")
    assert result.success
    assert "○ double: not answered yet" in capsys.readouterr().out


# Choices


@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: c.name)
def test_a_choice_answers_every_word_of_its_list(choice: Choice, capsys) -> None:
    for blank in (..., None):
        choice(blank)
        assert f"○ {choice.name}: not answered yet" in capsys.readouterr().out
    choice(f" {choice.right.capitalize()} ")
    assert capsys.readouterr().out == f"✓ {choice.name}: {choice.confirms}\n"
    words = [choice.right, *choice.hints]
    assert len({plain(word) for word in words}) == len(words)
    for other in (choice.right.replace(" ", "_"), choice.right.replace(" ", "-"), choice.right.removesuffix("s")):
        assert choice.judge(other) == ("✓", choice.confirms)
    assert len(set(choice.hints.values())) == len(choice.hints) >= 4
    for word, hint in choice.hints.items():
        assert choice.judge(word) == ("✗", hint)
        assert choice.right not in hint
    for stranger in ("gremlins", 3, ["detach"]):
        with pytest.raises(CheckFailed, match="is not one of the choices") as failure:
            choice(stranger)
        assert all(f'"{word}"' in str(failure.value) for word in [choice.right, *choice.hints])


def faulty_run(wrong_optimiser: bool, in_unit_interval: bool, steps: int) -> SimpleNamespace:
    """A short run on small digits with one of the two faults, and what the hints ask about."""
    torch.manual_seed(0)
    digits = torch.tensor(load_digits().images[:64] / 16).float()  # [64, 8, 8] in [0, 1]
    digits = nn.functional.pad(digits.repeat_interleave(3, 1).repeat_interleave(3, 2), (2, 2, 2, 2))[:, None]
    real = digits if in_unit_interval else 2 * digits - 1  # [64, 1, 28, 28]
    G, D = Generator(width=16), Discriminator(width=16)
    began = nn.utils.parameters_to_vector(G.parameters()).detach().clone()
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.0, 0.99))
    opt_G = torch.optim.Adam((D if wrong_optimiser else G).parameters(), lr=2e-3, betas=(0.0, 0.99))
    logs = [gan_step(real, torch.randn(64, 64), G, D, opt_G, opt_D) for _ in range(steps)]
    return SimpleNamespace(
        moved=float((nn.utils.parameters_to_vector(G.parameters()).detach() - began).norm()),
        gradient=float(sum(p.grad.square().sum() for p in G.parameters())),
        rise=float(logs[-1]["loss_G"] - logs[0]["loss_G"]),
        gaps=[float(log["d_real"] - log["d_fake"]) for log in logs],
        smallest=(float(real.min()), float(G(torch.randn(64, 64)).detach().min())),
        layers=[type(layer).__name__ for network in (G, D) for layer in network.modules()],
    )


def test_the_hints_on_fault_a_speak_the_truth() -> None:
    run = faulty_run(wrong_optimiser=True, in_unit_interval=False, steps=30)
    assert run.moved == 0  # loss sign, learning rate, data range
    assert run.gradient > 0  # detach
    assert run.rise > 0


def test_the_hints_on_fault_b_speak_the_truth() -> None:
    run = faulty_run(wrong_optimiser=False, in_unit_interval=True, steps=30)
    assert run.moved > 0.1  # detach
    assert run.gaps[-1] > 1  # labels: real pictures get the higher logits
    assert run.smallest[0] == 0 > run.smallest[1]  # noise
    assert not any("BatchNorm" in layer for layer in run.layers)  # batch norm
