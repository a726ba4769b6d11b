# SPDX-License-Identifier: Apache-2.0
"""Wraps comment lines beyond 100 columns, which clang-format leaves alone when they are only a little longer.

What hangs over goes to the front of the next line when that goes on with the same paragraph, else to a line of its
own. Lists keep their indentation; tables (a `|` in front, or two spaces between words) are left alone. Used by `script/tidy --wrap`.
"""
import re

COLUMNS = 100
TEXT = re.compile(r"^(\s*(?:/\*|\*|//) ?)(\s*)(.*)$")
TABLE = re.compile(r"^\||\S  +(?!\*/)\S")
ITEM = re.compile(r"^(?:(?:Invariants: )?\d+\.|[-*·])\s+")


def hang(lead, indent, text):
    """How a further line of this paragraph begins."""
    item = ITEM.match(text)
    star = lead.replace("/*", " *")
    return star + indent + " " * (len(item.group(0)) if item else 0)


def goes_on(line, prefix):
    """Is `line` the next line of a paragraph whose lines begin with `prefix`?"""
    return line.startswith(prefix) and len(line) > len(prefix) and line[len(prefix)] not in " *-/@" \
        and not ITEM.match(line[len(prefix):])


def wrap(text):
    lines, i = text.split("\n"), 0
    while i < len(lines):
        line = lines[i]
        match = TEXT.match(line)
        is_comment = match and (not match.group(1).lstrip().startswith("*") or line.startswith((" *", "     *", "        *",
                                                                                              "    *")))
        if len(line) > COLUMNS and is_comment and not TABLE.search(match.group(3)):
            close = line.endswith("*/")
            body = line[:-2].rstrip() if close else line
            cut = body.rfind(" ", len(match.group(1)) + len(match.group(2)) + 1, COLUMNS + 1)
            if cut > 0:
                prefix = hang(*match.groups())
                rest = body[cut + 1:]
                lines[i] = body[:cut].rstrip()
                if close:
                    lines.insert(i + 1, f"{prefix}{rest} */")
                elif i + 1 < len(lines) and goes_on(lines[i + 1], prefix):
                    lines[i + 1] = f"{prefix}{rest} {lines[i + 1][len(prefix):]}"
                else:
                    lines.insert(i + 1, prefix + rest)
        i += 1
    return "\n".join(lines)
