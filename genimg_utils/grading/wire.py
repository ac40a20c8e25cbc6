"""What passes between the grader and the process that runs student code: JSON and safetensors, nothing else.

A message is two lengths, a JSON object and the bytes of its tensors. Nothing that is read is ever unpickled or run.
"""

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

LENGTHS = struct.Struct("<II")
LARGEST_WORDS, LARGEST_TENSORS = 2**16, 2**24  # bytes that are read of an answer
Observation = dict[str, Tensor]  # what a call left behind: part → value


class Garbled(Exception):
    """The other side sent what is no message."""


def packed(words: dict[str, Any], tensors: Observation | None = None) -> bytes:
    """A message's bytes."""
    head, body = json.dumps(words).encode(), save(tensors) if tensors else b""
    return LENGTHS.pack(len(head), len(body)) + head + body


def unpacked(read: Callable[[int], bytes]) -> tuple[dict[str, Any], Observation]:
    """The next message, where read(n) gives n bytes; `Garbled` where it is none, or is too large."""
    head, body = LENGTHS.unpack(read(LENGTHS.size))
    if head > LARGEST_WORDS or body > LARGEST_TENSORS:
        raise Garbled(f"a message of {head + body} bytes")
    words, raw = read(head), read(body)
    try:
        said, tensors = json.loads(words), load(raw) if raw else {}
    except Exception as error:  # whatever a library makes of bytes that somebody chose
        raise Garbled(type(error).__name__) from None
    if not isinstance(said, dict):
        raise Garbled("no object")
    return said, tensors


def mlp(weights: list[Tensor], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers of these weights and biases, [out, in] and [out] in turn, tanh between them, dropout at the end."""
    layers: list[nn.Module] = []
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=weight.dtype)
        layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        layers += [nn.Tanh(), layer]
    return nn.Sequential(*layers[1:], *([nn.Dropout(dropout)] if dropout else []))


def copied(network: nn.Module) -> nn.Sequential:
    """The same layers with weights of their own, in training mode."""
    return mlp([p.detach() for p in network.parameters()], dropout_of(network))


def dropout_of(network: nn.Module) -> float:
    return next((layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)), 0.0)


def sent(arguments: tuple) -> tuple[list[dict[str, Any]], Observation]:
    """Arguments as a message holds them: numbers, tensors, and networks by their weights."""
    words: list[dict[str, Any]] = []
    tensors: Observation = {}
    for i, argument in enumerate(arguments):
        if isinstance(argument, nn.Module):
            parameters = [p.detach().clone() for p in argument.parameters()]
            words.append({"network": len(parameters), "dropout": dropout_of(argument)})
            tensors |= {f"{i}.{n}": p.contiguous() for n, p in enumerate(parameters)}
        elif isinstance(argument, Tensor):
            words.append({"tensor": True})
            tensors[f"{i}"] = argument.detach().clone().contiguous()
        else:
            words.append({"number": argument})
    return words, tensors


def received(words: list[dict[str, Any]], tensors: Observation) -> tuple:
    """The arguments of a message."""
    arguments: list[Any] = []
    for i, word in enumerate(words):
        if "network" in word:
            arguments.append(mlp([tensors[f"{i}.{n}"] for n in range(word["network"])], word["dropout"]))
        else:
            arguments.append(tensors[f"{i}"] if "tensor" in word else word["number"])
    return tuple(arguments)


def observed(
    function: Callable[..., Any], arguments: tuple, slopes: tuple[int, ...] = (), left: tuple[int, ...] = ()
) -> Observation:
    """What one call leaves behind: its value, and slopes in arguments and arguments as they are left, by number.

    A slope is that of the value's sum with weights 1, 2, 3, …, so that no two entries can be exchanged; a network's
    is that of its first weights. Where arguments are looked at, a call may return nothing, or what it likes. TypeError
    where the value is none that can be compared.
    """
    inputs = [arguments[i] for i in slopes]
    leaves = [next(x.parameters()) if isinstance(x, nn.Module) else x.requires_grad_() for x in inputs]
    value = function(*arguments)
    found = {name: thing for i in left for name, thing in left_behind(i, arguments[i])}
    if value is None and left:
        return found
    if value is None or value is ...:
        raise NotImplementedError
    if not isinstance(value, Tensor):
        try:
            value = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            if left:
                return found  # the networks again, or a record: nothing hangs on it
            raise TypeError(f"it returned {type(value).__name__}, and numbers are wanted") from None
    found["your answer"] = plain(value)
    if slopes:
        total = (torch.arange(1, value.numel() + 1).view_as(value) * value).sum()
        through = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
        for i, leaf, slope in zip(slopes, leaves, through, strict=True):
            found[f"the slope in argument {i + 1}"] = plain(torch.zeros_like(leaf) if slope is None else slope)
    return found


def left_behind(number: int, argument: Any) -> Iterator[tuple[str, Tensor]]:
    """What became of an argument: a tensor's entries, a network's weights and its mode."""
    if isinstance(argument, nn.Module):
        for n, parameter in enumerate(argument.parameters()):
            yield weight(number, n), plain(parameter)
        yield f"the mode of argument {number + 1}", torch.tensor([float(argument.training)])
    else:
        yield f"argument {number + 1} afterwards", plain(argument)


def weight(number: int, n: int) -> str:
    """The name of a network's n-th parameter, where the network is the argument of that number."""
    return f"parameter {n + 1} of argument {number + 1}"


def plain(value: Tensor) -> Tensor:
    """The numbers alone: no graph, no class of one's own, on the CPU, without holes."""
    return value.detach().as_subclass(Tensor).cpu().to_dense().contiguous().clone()
