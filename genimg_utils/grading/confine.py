"""Walls around student code: limits, no files but its own, no network, no other processes; as far as the system goes.

On Linux the kernel's own means are used, which need no privilege: Landlock for files and ports, seccomp for what a
pure computation never asks for. Elsewhere only the limits hold; `confine` says what stands.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

FILE_BYTES, OPEN_FILES, CPU_SECONDS, PROCESSES = 50_000_000, 256, 330, 64

# Numbers of the system calls that are refused, for both machines: what starts, ends, watches or reaches others, and
# what changes a file in ways that Landlock leaves alone, such as its mode; and files and queues of memory alone, room
# on the disk that is taken at once, and watching folders; and to cut a file by its name.
REFUSED = {
    "x86_64": [
        *(57, 58, 59, 322, 41, 42, 49, 50, 43, 288, 62, 200, 234, 129, 297, 424, 434, 101, 310, 311, 425, 272, 308),
        *(165, 166, 155, 161, 321, 298, 323, 248, 249, 250, 29, 68, 64, 135, 169, 175, 313, 176, 246, 440, 438),
        *(90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199, 141, 251),
        *(240, 319, 447, 285, 46, 307, 253, 294, 300, 162, 306, 76, 437),
    ],
    "aarch64": [
        *(221, 281, 198, 200, 201, 202, 242, 203, 129, 130, 131, 138, 240, 424, 434, 117, 270, 271, 425, 97, 268, 40),
        *(39, 41, 51, 280, 241, 282, 217, 218, 219, 194, 186, 190, 92, 142, 105, 273, 106, 104, 440, 438),
        *(52, 53, 54, 55, 452, 88, 5, 6, 7, 14, 15, 16, 140, 30),
        *(180, 279, 447, 47, 211, 269, 26, 262, 81, 267, 45, 437),
    ],
}
# Those that name a process first, and are refused where that is another: limits, scheduling.
OWN_ONLY = {"x86_64": [302, 203, 144, 142, 314], "aarch64": [261, 122, 119, 118, 274]}
# Those that are refused for some values of an argument, by its place and the bits that count: signals to whoever a
# descriptor is given (F_SETOWN, F_SETSIG, F_SETOWN_EX), leases, to outlive the grader (PR_SET_PDEATHSIG), and to empty
# a file that is opened for reading or for nothing, which a Landlock of before 2023 lets pass (O_TRUNC).
ALL, OWNER, OUTLIVE, EMPTY = 0xFFFFFFFF, (8, 10, 15, 1024), (1,), (0x200, 0x203, 3)
VALUES = {
    "x86_64": {72: (24, ALL, OWNER), 157: (16, ALL, OUTLIVE), 2: (24, 0x203, EMPTY), 257: (32, 0x203, EMPTY)},
    "aarch64": {25: (24, ALL, OWNER), 167: (16, ALL, OUTLIVE), 56: (32, 0x203, EMPTY)},
}
# Of what devices and files can be told, as much as Python needs: is it a terminal, how wide, how much is there to read,
# and how a descriptor behaves.
TOLD, IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451), {"x86_64": 16, "aarch64": 29}
CLONE = {"x86_64": 56, "aarch64": 220}
SECCOMP = {"x86_64": 317, "aarch64": 277}
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE3, THREAD = 435, 0x10000


def confine(package: Path, scratch: Path, gibibytes: float) -> list[str]:
    """Raises every wall that this system has around the calling process; gives their names."""
    os.chdir(scratch)
    walls = limits(gibibytes)
    if sys.platform == "linux" and platform.machine() in REFUSED:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # ends with the grader
        libc.prctl(38, 1, 0, 0, 0)  # no new privileges
        drop_capabilities(libc)
        if landlock(libc, [*readable(package)], scratch):
            walls.append("files")
        if seccomp(libc, platform.machine()):
            walls += ["processes", "network"]
    return walls


def limits(gibibytes: float) -> list[str]:
    """Memory beyond what the libraries took, sizes and numbers of files, seconds of computing; gives what holds."""
    import resource  # Unix alone has it

    memory = psutil.Process().memory_info().vms + int(gibibytes * 2**30)
    wanted = {
        "RLIMIT_AS": memory,
        "RLIMIT_FSIZE": FILE_BYTES,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_CPU": CPU_SECONDS,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": processes() + PROCESSES,
    }
    held = set()
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(number, (value, value))
        except (ValueError, OSError):
            continue  # some systems refuse some: what is not held is not claimed
        held.add(name)
    walls = {"memory": "RLIMIT_AS", "time": "RLIMIT_CPU"}
    return [wall for wall, name in walls.items() if name in held]


def processes() -> int:
    """How many threads this user runs: the limit on processes counts all of them."""
    mine = os.getuid()
    count = 0
    for process in psutil.process_iter():
        try:
            count += process.num_threads() if process.uids().real == mine else 0
        except psutil.Error:
            continue
    return count


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root keeps its name and loses its powers."""
    header, data = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    libc.capset(ctypes.c_char_p(header), ctypes.c_char_p(data))


def readable(package: Path) -> Iterator[Path]:
    """What a computation has to read: Python, its libraries, and the course's package without the grader."""
    system = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/share", "/etc/ld.so.cache")
    machine = ("/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/urandom")
    yield from map(Path, (*system, *machine))
    for path in {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, *sys.path) if p}:
        if path == package.parent:
            yield from (p for p in path.iterdir() if (path / "torch").exists() and p != package)
        elif path not in package.parents:
            yield path
    yield from (p for p in package.iterdir() if p.stem != "grading")


def landlock(libc: ctypes.CDLL, readable: list[Path], scratch: Path) -> bool:
    """Files: reads those named, writes in the scratch folder, and knows of no others; no TCP either."""
    create, add, restrict = 444, 445, 446
    version = libc.syscall(create, None, 0, 1)
    if version < 1:
        return False
    fs = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    net, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    attributes = struct.pack("<QQQ", fs, net, scope)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = libc.syscall(create, attributes, len(attributes), 0)
    if rules < 0:
        return False
    execute, write, read, read_folder, truncate, special = 1, 2, 4, 8, 1 << 14, 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11
    grants = [(path, read | (read_folder if path.is_dir() else 0)) for path in readable]
    grants += [(scratch, fs & ~execute & ~special), (Path("/dev/null"), (read | write | truncate) & fs)]
    for path, access in grants:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        libc.syscall(add, rules, 1, struct.pack("<Qi", access, place), 0)
        os.close(place)
    done: bool = libc.syscall(restrict, rules, 0) == 0
    os.close(rules)
    return done


def seccomp(libc: ctypes.CDLL, machine: str) -> bool:
    """No new process, program, socket or signal to others: such calls fail with "Operation not permitted"."""
    load, equal, above, any_bit, both, answer = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
    allow, kill, refuse, absent = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
    program = [(load, 0, 0, 4), (equal, 1, 0, AUDIT[machine]), (answer, 0, 0, kill), (load, 0, 0, 0)]
    program += [(above, 0, 1, 0x40000000), (answer, 0, 0, refuse), (equal, 0, 1, CLONE3), (answer, 0, 0, absent)]
    for number in REFUSED[machine]:
        program += [(equal, 0, 1, number), (answer, 0, 0, refuse)]
    for number in OWN_ONLY[machine]:
        program += [
            (equal, 0, 4, number),
            (load, 0, 0, 16),
            (equal, 0, 1, 0),
            (answer, 0, 0, allow),
            (answer, 0, 0, refuse),
        ]
    by_value = [(number, *about, allow, refuse) for number, about in VALUES[machine].items()]
    for number, place, bits, values, other, these in [*by_value, (IOCTL[machine], 24, ALL, TOLD, refuse, allow)]:
        program += [(equal, 0, len(values) + 4, number), (load, 0, 0, place), (both, 0, 0, bits)]
        program += [(equal, n, 0, value) for n, value in zip(range(len(values), 0, -1), values, strict=True)]
        program += [(answer, 0, 0, other), (answer, 0, 0, these)]
    program += [(equal, 0, 3, CLONE[machine]), (load, 0, 0, 16), (any_bit, 1, 0, THREAD), (answer, 0, 0, refuse)]
    program += [(answer, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in program))
    filter_ = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code)))
    return bool(libc.syscall(SECCOMP[machine], 1, 1, filter_) == 0)  # for every thread that runs by now
