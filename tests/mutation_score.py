"""The score of a mutation run: `mutmut run`, then `python tests/mutation_score.py`, in the same copy of the checkout.

Mutants of text that is only shown are not counted, caught or not: what they change is the arguments of an exception
that is raised, or a name that a `check_...` or `checked_...` function writes into its message, or `check` that of an
array or axis, as long as equal axes stay equal. Mutants that change nothing (`reshape(-2, d)` for `reshape(-1, d)`) are
counted as missed, for no program can tell which those are.
"""

import ast
import difflib
import json
import re
import sys
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

CAUGHT = ("killed", "timeout")


class WithoutShownText(ast.NodeTransformer):
    """The same code with every message alike."""

    def visit_Raise(self, node):
        self.generic_visit(node)
        if isinstance(node.exc, ast.Call):
            node.exc.args = []
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "check" and is_text(node.args[0]):
            node.args = [ast.Constant(without_names(node.args[0].value)), *node.args[1:]]
        if isinstance(node.func, ast.Name) and node.func.id.startswith(("check_", "checked_")):
            node.args = [ast.Constant("name") if is_name(argument) else argument for argument in node.args]
        return node


def is_text(argument):
    return isinstance(argument, ast.Constant) and isinstance(argument.value, str)


def without_names(spec):
    """`Q: ... L_q d_k, K: ... L_k d_k` with numbers for axes: names are shown, what counts is which are alike."""
    numbers = {}
    arrays = [array.partition(":")[2] for array in spec.split(",")]
    return ",".join(re.sub(r"[A-Za-z_]\w*", lambda m: f"{numbers.setdefault(m[0], len(numbers))}", a) for a in arrays)


def is_name(argument):
    """A literal; None, too, which is what mutmut writes for it."""
    return isinstance(argument, ast.Constant) and isinstance(argument.value, str | None)


def functions(path):
    """Name -> the function's tree, of all functions and methods of a file that mutmut has written."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name:
            name, node.name = node.name, "f"
            found[name] = node
    return found


def is_shown_text(original, mutant):
    def essence(function):
        return ast.dump(WithoutShownText().visit(ast.parse(ast.unparse(function))))

    return essence(original) == essence(mutant)


def difference(original, mutant):
    lines = difflib.unified_diff(*(ast.unparse(tree).splitlines() for tree in (original, mutant)), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def main(folders):
    """Print what was missed and the score, of all that was run or of these folders (models decoding data)."""
    score = {}
    for meta in sorted(Path("mutants/minitransformer").rglob("*.meta")):
        folder = meta.relative_to("mutants/minitransformer").parts[0]
        results = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not any(code is not None for code in results.values()) or (folders and folder not in folders):
            continue
        trees = functions(meta.with_suffix(""))
        counts = score.setdefault(folder, Counter())
        for key, code in results.items():
            if code is None:  # not run
                continue
            name = key.rpartition(".")[2]
            original, mutant = trees[name.rpartition("__mutmut_")[0] + "__mutmut_orig"], trees[name]
            caught = status_by_exit_code[code] in CAUGHT
            kind = "shown" if is_shown_text(original, mutant) else "caught" if caught else "missed"
            counts[kind] += 1
            if kind == "missed":
                print(key, *difference(original, mutant), sep="\n    ")
    for folder, counts in (*score.items(), ("all", sum(score.values(), Counter()))):
        counted = counts["caught"] + counts["missed"]
        print(f"{folder}: {counts['caught']} of {counted} caught ({counts['caught'] / counted:.1%})", end="")
        print(f", {counts['shown']} of shown text")


if __name__ == "__main__":
    main(sys.argv[1:])
