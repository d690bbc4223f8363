"""Memory of large local arrays, kept from one call to the next: fresh pages cost more than many a kernel's work.

Each array has `SLOTS` places for blocks that no call uses at the moment. A call takes a block out of one, or makes one
where all are empty, and puts it back at its end, or frees it where all are full: so calls in several threads never
share a block, and of each array there are at most `SLOTS` blocks left. `@release` frees these.
"""

from __future__ import annotations

SLOTS = 8
"""Blocks of an array that are kept: one for each thread that has been in the kernel at the same time."""

LARGEST = 1 << 28
"""Bytes of an array from which on it isn't kept: its memory is made on each call."""

RELEASE = "release"

TEXT = f"""\
define internal noalias ptr @gemel.take(ptr %slots, i64 %bytes) noinline nounwind {{
entry:
  br label %look
look:
  %n = phi i64 [ 0, %entry ], [ %next, %on ]
  %slot = getelementptr ptr, ptr %slots, i64 %n
  %seen = load atomic ptr, ptr %slot monotonic, align 8
  %empty = icmp eq ptr %seen, null
  br i1 %empty, label %on, label %try
try:
  %block = atomicrmw xchg ptr %slot, ptr null acquire
  %late = icmp eq ptr %block, null
  br i1 %late, label %on, label %have
have:
  ret ptr %block
on:
  %next = add i64 %n, 1
  %more = icmp ult i64 %next, {SLOTS}
  br i1 %more, label %look, label %make
make:
  %new = call noalias ptr @aligned_alloc(i64 64, i64 %bytes)
  ret ptr %new
}}
define internal void @gemel.give(ptr %slots, ptr %block) noinline nounwind {{
entry:
  br label %look
look:
  %n = phi i64 [ 0, %entry ], [ %next, %on ]
  %slot = getelementptr ptr, ptr %slots, i64 %n
  %pair = cmpxchg ptr %slot, ptr null, ptr %block release monotonic
  %put = extractvalue {{ ptr, i1 }} %pair, 1
  br i1 %put, label %done, label %on
on:
  %next = add i64 %n, 1
  %more = icmp ult i64 %next, {SLOTS}
  br i1 %more, label %look, label %full
full:
  call void @free(ptr %block)
  ret void
done:
  ret void
}}
define internal void @gemel.empty(ptr %slots) nounwind {{
entry:
  br label %look
look:
  %n = phi i64 [ 0, %entry ], [ %next, %look ]
  %slot = getelementptr ptr, ptr %slots, i64 %n
  %block = atomicrmw xchg ptr %slot, ptr null acquire
  call void @free(ptr %block)
  %next = add i64 %n, 1
  %more = icmp ult i64 %next, {SLOTS}
  br i1 %more, label %look, label %done
done:
  ret void
}}"""


def slots(name: str) -> str:
    """The definition of an array's places."""
    return f"{name} = internal global [{SLOTS} x ptr] zeroinitializer, align 64"


def functions(kept: list[str]) -> list[str]:
    """What takes, puts back and releases the blocks of some arrays, named by their places."""
    if not kept:
        return []
    calls = [f"  call void @gemel.empty(ptr {name})" for name in kept]
    return [TEXT, f"define void @{RELEASE}() nounwind {{", *calls, "  ret void", "}"]
