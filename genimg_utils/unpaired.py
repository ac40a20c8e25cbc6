"""Two domains without pairs: the drawn seasons, sets to download, and a folder or zip of one's own."""

import stat
import tomllib
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from genimg_utils import data, runtime, seasons

FOLDERS = ("trainA", "trainB", "testA", "testB")
SCENES = {"train": 4000, "test": 500}  # of each domain
LARGEST = 30 * 2**20  # bytes of one picture's file, unpacked
FEWEST = 2  # pictures of a domain


class Unpaired(NamedTuple):
    """Pictures of two domains, uint8 [N, 3, S, S] and [M, 3, S, S].

    pairs: int64 [P, 2], where A[i] and B[j] are known to show the same thing; None where nothing is known.
    """

    A: Tensor
    B: Tensor
    pairs: Tensor | None


def load(
    source: str | Path, split: str = "train", size: int = 32, *, flowers: bool = False, paint: bool = False
) -> Unpaired:
    """`seasons`, a set of data/unpaired.toml, or the path of a folder or zip with trainA, trainB, testA and testB.

    Pictures are cut to their middle square and resized to `size`. seasons (A summer, B winter): other scenes in each
    domain for training, the same ones in the test; `flowers` and `paint` are switches of `seasons.scenes`. Of one's own
    pictures, those of the test with the same name are pairs, where all have one. A broken picture is named in a warning
    and left out. ValueError for what does not fit, FileNotFoundError, DataUnavailable where nothing can be had.
    """
    if split not in SCENES:
        raise ValueError(f"There is no split {split!r}, only: {', '.join(SCENES)}.")
    if source == "seasons":
        return drawn(split, size, flowers, paint)
    if flowers or paint:
        raise ValueError("flowers and paint are switches of the drawn seasons, and of nothing else.")
    known = registered()
    if source in known:
        name = f"{source}.zip"
        return collected(name, of_zip(fetched(str(source), known[source]), name), split, size)
    path = Path(source).expanduser()
    if path.is_dir():
        return collected(str(path), of_folder(path), split, size)
    if path.is_file():
        return collected(str(path), of_zip(path, str(path)), split, size)
    names = ", ".join(["seasons", *known])
    raise FileNotFoundError(f"{source} is no folder, no zip, and none of the sets {names}.")


def drawn(split: str, size: int, flowers: bool, paint: bool) -> Unpaired:
    """Summer and winter of drawn scenes."""
    count = SCENES[split]
    seeds = (1, 2) if split == "train" else (3, 3)  # the test shows the same scenes twice
    domains = [
        torch.from_numpy(seasons.render(seasons.scenes(count, seed, flowers, paint), season, size))
        for seed, season in zip(seeds, seasons.SEASONS, strict=True)
    ]
    return Unpaired(domains[0], domains[1], one_to_one(count) if split == "test" else None)


def one_to_one(count: int) -> Tensor:
    """Pairs of the pictures with the same index, [count, 2]."""
    return torch.arange(count).repeat(2, 1).T


def registered() -> dict[str, Any]:
    """The sets that can be downloaded, by name."""
    table = tomllib.loads((runtime.REPOSITORY / "data" / "unpaired.toml").read_text(encoding="utf-8"))
    mirrors = table.pop("mirrors")
    return {name: entry | {"mirrors": mirrors} for name, entry in table.items()}


def fetched(name: str, entry: dict[str, Any]) -> BytesIO:
    """The set's zip from the cache, or downloaded; checked by length and sum."""
    file = data.File(runtime.folder("data") / name / f"{name}.zip", entry["bytes"], entry["sha256"])
    return BytesIO(data.cached(file, lambda: data.download(name, file, entry["mirrors"])))


Member = tuple[str, str, Callable[[], IO[Any]]]  # folder, name without suffix, how to reach its bytes


def of_folder(root: Path) -> Iterator[Member]:
    """The pictures in the four folders below `root`."""
    for folder in FOLDERS:
        for path in data.pictures(root / folder):
            yield folder, path.relative_to(root / folder).with_suffix("").as_posix(), partial(open, path, "rb")


def of_zip(source: Path | BytesIO, name: str) -> Iterator[Member]:
    """The pictures in the four folders of a zip, wherever these lie in it; read in memory, nothing is unpacked.

    So no member can climb out of a folder; links and files that unpack to more than 30 MiB are no pictures.
    """
    try:
        with ZipFile(source) as archive:
            for member in archive.infolist():
                path = PurePosixPath(member.filename)
                folder = path.parent.name
                if member.is_dir() or folder not in FOLDERS or path.suffix.lower() not in data.PICTURES:
                    continue
                if path.name.startswith(".") or "__MACOSX" in path.parts:
                    continue
                yield folder, path.stem, partial(unpacked, archive, member)
    except BadZipFile as error:
        raise ValueError(f"{name} cannot be read as a zip ({error}): copy or download it again.") from None


def unpacked(archive: ZipFile, member: ZipInfo) -> BytesIO:
    """A member's bytes, at most LARGEST: what its header says of its size is not believed."""
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ValueError("it is a link")
    with archive.open(member) as packed:
        content = packed.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST >> 20} MiB")
    return BytesIO(content)


def collected(name: str, members: Iterator[Member], split: str, size: int) -> Unpaired:
    """The split's two domains from what a folder or zip holds."""
    found: dict[str, dict[str, np.ndarray]] = {f"{split}A": {}, f"{split}B": {}}
    for folder, stem, reach in tqdm(members, desc=name, delay=2, leave=False):
        if folder not in found:
            continue
        try:
            with reach() as file:
                found[folder][stem] = data.square(file, size)
        except Exception as error:  # decoders raise many types; whatever it is, the warning tells it
            warnings.warn(f"{folder}/{stem} in {name} is left out: {error}.", stacklevel=3)
    for folder, pictures in found.items():
        if len(pictures) < FEWEST:
            raise ValueError(f"{name} has {len(pictures)} readable picture(s) in {folder}; {FEWEST} are needed.")
    first, second = (dict(sorted(pictures.items())) for pictures in found.values())
    A, B = (torch.from_numpy(np.stack([*p.values()])).permute(0, 3, 1, 2).contiguous() for p in (first, second))
    # both are sorted: pairs of the same name lie at the same place
    return Unpaired(A, B, one_to_one(len(A)) if split == "test" and first.keys() == second.keys() else None)
