"""Explorers with sliders, each with a static picture first for where no kernel runs."""

from collections.abc import Callable, Sequence
from io import BytesIO
from math import cos, pi, sin, sqrt
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from ipywidgets import Button, Dropdown, FloatSlider, HBox, Image, IntSlider, Label, SelectionSlider, VBox
from matplotlib.figure import Figure
from torch import Tensor

from genimg_utils.plotting import Images, grid, save_images, strip, to_bytes


class Explorer(VBox):
    """Controls above a picture that follows them; children: the controls, the picture, a line for errors."""

    def __init__(self, render: Callable[..., bytes], controls: Sequence[Any]) -> None:
        picture, complaint = Image(format="png"), Label()
        super().__init__(children=(*controls, picture, complaint))

        def update(_: object = None) -> None:
            try:
                picture.value, complaint.value = render(*(control.value for control in controls)), ""
            except Exception as error:
                complaint.value = f"{type(error).__name__}: {error}"  # a browser hides what a callback raises
                raise

        for control in controls:
            control.observe(update, names="value")
        update()

    def __repr__(self) -> str:
        """What a page without a kernel shows in place of the widget."""
        return "(Run this cell in Jupyter or Colab, and a slider appears here.)"


def latent_walk(
    draw: Callable[..., Images],
    classes: Sequence[str] | None = None,
    steps: int = 8,
    title: str = "",
    scale: int = 4,
) -> Explorer:
    """A slider that walks through latent space; the cell that calls it ends without a semicolon.

    draw(t), or draw(t, label) where classes are named, returns images [N, C, H, W]; t in [0, 1], label int.
    The static picture shows the first image at `steps` places of the walk, a row for each class.
    """
    slider = FloatSlider(value=0, min=0, max=1, step=0.01, description="t", continuous_update=True)
    times = [step / steps for step in range(steps)]
    if classes is None:
        show(grid(first_images(draw, [(t,) for t in times]), 1, title))
        return Explorer(pixels(draw, scale), [slider])
    rows = {name: first_images(draw, [(t, label) for t in times]) for label, name in enumerate(classes)}
    show(strip(rows, title))
    return Explorer(pixels(draw, scale), [slider, class_menu(classes)])


def class_explorer(
    draw: Callable[[int, int], Images],
    classes: Sequence[str],
    seeds: int = 100,
    title: str = "",
    scale: int = 4,
    shown: int = 8,
) -> Explorer:
    """A menu of classes and a slider of seeds; draw(label, seed) returns images [N, C, H, W].

    The static picture shows the first image of the first `shown` seeds, a row for each class.
    """
    rows = {n: first_images(draw, [(label, s) for s in range(min(shown, seeds))]) for label, n in enumerate(classes)}
    show(strip(rows, title))
    slider = IntSlider(value=0, min=0, max=seeds - 1, description="seed", continuous_update=True)
    return Explorer(pixels(draw, scale), [class_menu(classes), slider])


def figure_slider(
    draw: Callable[[Any], Figure], values: Sequence[Any], still: Figure, description: str = "step"
) -> Explorer:
    """A slider over `values`, and the figure draw(value) that follows it; `still` is shown where no kernel runs."""
    show(still)
    slider = SelectionSlider(options=list(values), description=description, continuous_update=True)

    def render(value: Any) -> bytes:
        figure, buffer = draw(value), BytesIO()
        figure.savefig(buffer, format="png")
        plt.close(figure)
        return buffer.getvalue()

    return Explorer(render, [slider])


class TwoAlternatives(VBox):
    """Pairs of a real and a generated picture, a click on the real one, and what the score says so far."""

    def __init__(self, pairs: Tensor, real_is_left: Tensor, scale: int) -> None:
        picture, said = Image(format="png"), Label()
        left, right = (Button(description=f"the {side} one is real") for side in ("left", "right"))
        super().__init__(children=(picture, HBox([left, right]), said))
        answers: list[bool] = []

        def ask() -> None:
            buffer = BytesIO()
            save_images(pairs[len(answers) % len(pairs)], buffer, scale=scale)
            picture.value, said.value = buffer.getvalue(), self.verdict(answers)

        def answer(button: Button) -> None:
            answers.append((button is left) == bool(real_is_left[len(answers) % len(pairs)]))
            ask()

        for button in (left, right):
            button.on_click(answer)
        ask()

    def __repr__(self) -> str:
        return "(Run this cell in Jupyter or Colab, and pairs with two buttons appear here.)"

    @staticmethod
    def verdict(answers: Sequence[bool]) -> str:
        """Right answers, and the interval around guessing that they would have to leave."""
        if not answers:
            return "Click on the button under the picture that a person wrote."
        n, right = len(answers), sum(answers)
        return f"{right} of {n} right; who guesses has {n / 2:.0f} ± {1.96 * sqrt(n) / 2:.0f} in 95 of 100 cases"


def two_alternatives(
    real: Images, generated: Images, title: str = "", seed: int = 0, scale: int = 4, shown: int = 10
) -> tuple[Tensor, TwoAlternatives]:
    """Which one is real? Images [N, C, H, W] of both kinds in pairs; whether the left one is real, [N], and the widget.

    The static picture shows the first `shown` pairs, left above right.
    """
    generator = torch.Generator().manual_seed(seed)
    both = [to_bytes(torch.as_tensor(images).detach().cpu()) for images in (real, generated)]
    left = torch.rand(len(both[0]), generator=generator) < 0.5
    coin = left.view(-1, 1, 1, 1)
    pairs = torch.stack([both[0].where(coin, both[1]), both[1].where(coin, both[0])], dim=1)  # [N, 2, C, H, W]
    show(strip({"left": pairs[:shown, 0], "right": pairs[:shown, 1]}, title, scale=2))
    return left, TwoAlternatives(pairs, left, scale)


def pixels(draw: Callable[..., Images], scale: int) -> Callable[..., bytes]:
    """The images that `draw` returns, as the bytes of a PNG file."""

    def render(*arguments: Any) -> bytes:
        buffer = BytesIO()
        save_images(draw(*arguments), buffer, scale=scale)
        return buffer.getvalue()

    return render


def circle(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at t in [0, 1] of the circle through a and b; where both are N(0, I), so is every point."""
    return cos(2 * pi * t) * a + sin(2 * pi * t) * b


def class_menu(classes: Sequence[str]) -> Dropdown:
    """A menu whose value is the label of the class."""
    return Dropdown(options=[(name, label) for label, name in enumerate(classes)], value=0, description="class")


def first_images(draw: Callable[..., Images], arguments: Sequence[tuple]) -> Tensor:
    """The first image of each drawing, [len(arguments), C, H, W]."""
    return torch.cat([torch.as_tensor(draw(*each))[:1].detach().cpu() for each in arguments])


def show(figure: Figure) -> None:
    """Displays the figure at once, above whatever the cell returns."""
    display(figure)
    plt.close(figure)
