"""LLVM's passes as they are run: what has integers that no register holds is vectorised once they are gone."""

from __future__ import annotations

import re

from gemel.codegen import jit

LOOP = """
define void @f(ptr noalias %a, ptr noalias %b) {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  %p = getelementptr i64, ptr %a, i64 %i
  %q = getelementptr i64, ptr %b, i64 %i
  %x = load i64, ptr %p
  %w = sext i64 %x to {kind}
  %s = {op} {kind} %w, 7
  %t = trunc {kind} %s to i64
  store i64 %t, ptr %q
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, 4096
  br i1 %more, label %head, label %done
done:
  ret void
}}
"""


def vectors(kind: str, op: str) -> bool:
    code = jit.compile_text(LOOP.format(kind=kind, op=op))
    return re.search(r"<\d+ x i64>", code.optimized) is not None


def test_wide_integers_that_go_do_not_keep_a_loop_scalar() -> None:
    assert vectors("i128", "add")


def test_wide_integers_that_stay_do() -> None:
    assert not vectors("i128", "udiv")
