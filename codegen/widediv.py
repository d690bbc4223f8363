"""Division of 128-bit integers, which LLVM leaves to a library that a Python process need not have.

LLVM divides integers of up to 64 and of more than 128 bits in line, and may narrow the wide ones to 128 bits. These are
the functions that it calls then: shift and subtract, one step for each bit of the quotient.
"""

from __future__ import annotations

import re

NAMES = ("__udivti3", "__umodti3", "__divti3", "__modti3")

TEXT = """
declare i128 @llvm.ctlz.i128(i128, i1)
declare i128 @llvm.abs.i128(i128, i1)

define internal { i128, i128 } @divide(i128 %n, i128 %d) {
entry:
  %less = icmp ult i128 %n, %d
  br i1 %less, label %done, label %start
start:
  %nz = call i128 @llvm.ctlz.i128(i128 %n, i1 false)
  %dz = call i128 @llvm.ctlz.i128(i128 %d, i1 false)
  %steps = sub i128 %dz, %nz
  %top = shl i128 %d, %steps
  br label %step
step:
  %left = phi i128 [ %steps, %start ], [ %left1, %step ]
  %part = phi i128 [ %top, %start ], [ %part1, %step ]
  %rest = phi i128 [ %n, %start ], [ %rest1, %step ]
  %quotient = phi i128 [ 0, %start ], [ %quotient1, %step ]
  %fits = icmp uge i128 %rest, %part
  %taken = select i1 %fits, i128 %part, i128 0
  %rest1 = sub i128 %rest, %taken
  %moved = shl i128 %quotient, 1
  %bit = zext i1 %fits to i128
  %quotient1 = or i128 %moved, %bit
  %part1 = lshr i128 %part, 1
  %left1 = sub i128 %left, 1
  %over = icmp eq i128 %left, 0
  br i1 %over, label %done, label %step
done:
  %q = phi i128 [ 0, %entry ], [ %quotient1, %step ]
  %r = phi i128 [ %n, %entry ], [ %rest1, %step ]
  %one = insertvalue { i128, i128 } poison, i128 %q, 0
  %two = insertvalue { i128, i128 } %one, i128 %r, 1
  ret { i128, i128 } %two
}
define i128 @__udivti3(i128 %n, i128 %d) {
  %both = call { i128, i128 } @divide(i128 %n, i128 %d)
  %q = extractvalue { i128, i128 } %both, 0
  ret i128 %q
}
define i128 @__umodti3(i128 %n, i128 %d) {
  %both = call { i128, i128 } @divide(i128 %n, i128 %d)
  %r = extractvalue { i128, i128 } %both, 1
  ret i128 %r
}
define i128 @__divti3(i128 %n, i128 %d) {
  %a = call i128 @llvm.abs.i128(i128 %n, i1 false)
  %b = call i128 @llvm.abs.i128(i128 %d, i1 false)
  %q = call i128 @__udivti3(i128 %a, i128 %b)
  %signs = xor i128 %n, %d
  %negative = icmp slt i128 %signs, 0
  %minus = sub i128 0, %q
  %result = select i1 %negative, i128 %minus, i128 %q
  ret i128 %result
}
define i128 @__modti3(i128 %n, i128 %d) {
  %a = call i128 @llvm.abs.i128(i128 %n, i1 false)
  %b = call i128 @llvm.abs.i128(i128 %d, i1 false)
  %r = call i128 @__umodti3(i128 %a, i128 %b)
  %negative = icmp slt i128 %n, 0
  %minus = sub i128 0, %r
  %result = select i1 %negative, i128 %minus, i128 %r
  ret i128 %result
}
"""

_WIDE = re.compile(r" [us](?:div|rem) i(?!8 |16 |32 |64 )\d+ ")


def needed(text: str) -> bool:
    """Whether a module may call one of the functions."""
    return _WIDE.search(text) is not None


def linked() -> str:
    """The functions for a module that is linked by a linker: other objects may have them too, nobody else sees them."""
    return TEXT.replace("define i128", "define weak hidden i128")
