"""Formulas that Jupyter and Colab set and GitHub does not, found in Markdown text."""

import re

DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"\$((?:[^$\n]|\n(?!\s*\n))+?)\$")

IN_FORMULAS = {
    r"\\(?:operatorname|mbox|phantom)\b": r"\operatorname, \mbox, \phantom are refused; write \mathrm{…}",
    r"\^\*": r"^* is taken for emphasis; write ^\ast",
    r"\\[{}:,](?![A-Za-z])": r"\{ \} \: \, before a non-letter lose the backslash; write \lbrace, \thinspace",
    r"\[[^\]]*\]\(": "[a](b) becomes a link; put a space between",
    r"<[A-Za-z]": r"a<b becomes a tag; write \lt",
}


def formulas(markdown: str) -> list[str]:
    """What GitHub's Markdown would garble in the formulas of this text."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", lambda m: "\n" * m[0].count("\n"), markdown, flags=re.DOTALL)
    prose = prose.replace(r"\$", "§")
    found = []
    for shown in DISPLAY.findall(prose):
        found += refused(shown)
        if re.search(r"\\begin\{align", shown) and shown.count(r"\\") > 2:
            found.append("align with more than 3 lines: split it")
    rest = DISPLAY.sub("", prose)
    for match in INLINE.finditer(rest):
        found += refused(match[1])
        if "\n" in match[1]:
            found.append(f"a formula over two source lines: ${match[1]}$")
        if re.search(r"[A-Za-z0-9-]$", rest[: match.start()]):
            found.append(f"$ right after a letter, digit or hyphen is not seen: ${match[1]}$")
    if re.search(r"\\begin\{align", INLINE.sub("", rest)):
        found.append(r"\begin{align} outside $$")
    hidden = re.findall(r"<details.*?</details>|\[[^\]]*\$[^\]]*\]\([^)]*\)", prose, re.DOTALL)
    found += ["a formula in <details> or in a link" for part in hidden if "$" in part]
    return found


def refused(formula: str) -> list[str]:
    return [f"{why}: {formula.strip()}" for bad, why in IN_FORMULAS.items() if re.search(bad, formula)]
