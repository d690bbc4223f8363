"""The threads that share parallel loops: a small pool of our own, in LLVM IR.

`gemel_parallel(function, closure, count, grain)` runs `function(closure, first, end)` over 0..count in pieces of
`grain` iterations, which the calling thread and the workers take from a common counter; it gives the first status that
isn't 0. A worker joins by adding itself to the gate while it is open; the caller closes it when the counter has run
out, and waits for those who joined only: a worker that wakes late delays nobody. A worker that has nothing to do spins
for some microseconds and then sleeps on a condition variable. One parallel loop runs at a time: a loop that finds the
pool taken, by another Python thread or by the loop around it, runs in its own thread alone. After a fork the child has
no workers and makes its own when it needs them.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from gemel.codegen.cpu import is_x86
from gemel.codegen.host import threads

if TYPE_CHECKING:
    from gemel.codegen.jit import Code

NAME = "gemel_parallel"
DECLARATION = f"declare i64 @{NAME}(ptr, ptr, i64, i64)"
SPIN = 20_000
"""Turns of the loop that waits for work before a worker sleeps: some tens of microseconds."""

OPEN = 1 << 32
"""Added to the number of workers in the gate while it is open."""

OPAQUE = 128
"""Bytes of a mutex or condition variable, on any system more than it has."""


STATE = f"""
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @sched_yield()

@mutex = internal global [{OPAQUE} x i8] zeroinitializer, align 64
@wake = internal global [{OPAQUE} x i8] zeroinitializer, align 64
@taken = internal global i32 0, align 64
@round = internal global i32 0, align 64
@sleeping = internal global i32 0, align 64
@gate = internal global i64 0, align 64
@next = internal global i64 0, align 64
@wanted = internal global i64 0, align 8
@workers = internal global i64 -1, align 8
@function = internal global ptr null, align 8
@closure = internal global ptr null, align 8
@count = internal global i64 0, align 8
@grain = internal global i64 1, align 8
@status = internal global i64 0, align 64
"""
"""What the system's threads offer, and what the pool knows."""

PREPARE = """
define void @gemel_prepare(i64 %n) {
  %m = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr @wake, ptr null)
  store i64 %n, ptr @wanted
  store i64 -1, ptr @workers
  store i32 0, ptr @taken
  store i32 0, ptr @sleeping
  store i64 0, ptr @gate
  ret void
}
"""
"""Makes the pool new: workers are made when they are needed."""

PIECES = """
define internal void @pieces() {
entry:
  %f = load ptr, ptr @function
  %c = load ptr, ptr @closure
  %n = load i64, ptr @count
  %g = load i64, ptr @grain
  br label %more
more:
  %first = atomicrmw add ptr @next, i64 %g seq_cst
  %left = icmp slt i64 %first, %n
  br i1 %left, label %run, label %done
run:
  %far = add i64 %first, %g
  %inside = icmp slt i64 %far, %n
  %end = select i1 %inside, i64 %far, i64 %n
  %s = call i64 %f(ptr %c, i64 %first, i64 %end)
  %bad = icmp ne i64 %s, 0
  br i1 %bad, label %note, label %more
note:
  %old = cmpxchg ptr @status, i64 0, i64 %s seq_cst seq_cst
  br label %more
done:
  ret void
}
"""
"""Takes pieces from the counter and runs them, until there are none."""

WORKER = f"""
define internal ptr @worker(ptr %given) {{
entry:
  %start = ptrtoint ptr %given to i64
  %start32 = trunc i64 %start to i32
  br label %top
top:
  %last = phi i32 [ %start32, %entry ], [ %now, %work ], [ %now, %help ]
  br label %spin
spin:
  %k = phi i64 [ 0, %top ], [ %k2, %again ]
  %seen = load atomic i32, ptr @round acquire, align 4
  %new = icmp ne i32 %seen, %last
  br i1 %new, label %work, label %again
again:
  call void @pause()
  %k2 = add i64 %k, 1
  %on = icmp slt i64 %k2, {SPIN}
  br i1 %on, label %spin, label %sleep
sleep:
  %l = call i32 @pthread_mutex_lock(ptr @mutex)
  %one = atomicrmw add ptr @sleeping, i32 1 seq_cst
  br label %check
check:
  %seen2 = load atomic i32, ptr @round seq_cst, align 4
  %new2 = icmp ne i32 %seen2, %last
  br i1 %new2, label %up, label %wait
wait:
  %w = call i32 @pthread_cond_wait(ptr @wake, ptr @mutex)
  br label %check
up:
  %less = atomicrmw sub ptr @sleeping, i32 1 seq_cst
  %u = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %work
work:
  %now = phi i32 [ %seen, %spin ], [ %seen2, %up ], [ %now, %again2 ]
  %g = load atomic i64, ptr @gate seq_cst, align 8
  %open = icmp sge i64 %g, {OPEN}
  br i1 %open, label %join, label %top
join:
  %more = add i64 %g, 1
  %pair = cmpxchg ptr @gate, i64 %g, i64 %more seq_cst seq_cst
  %in = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %in, label %help, label %again2
again2:
  br label %work
help:
  call void @pieces()
  %done = atomicrmw sub ptr @gate, i64 1 seq_cst
  br label %top
}}
"""
"""A worker's life: it waits for a round, joins while the gate is open, and waits again."""

SPAWN = """
define internal i64 @spawn() {
entry:
  %id = alloca i64
  %n = load i64, ptr @wanted
  %r = load i32, ptr @round
  %wide = zext i32 %r to i64
  %given = inttoptr i64 %wide to ptr
  br label %more
more:
  %made = phi i64 [ 0, %entry ], [ %more1, %one ]
  %left = icmp slt i64 %made, %n
  br i1 %left, label %try, label %done
try:
  %e = call i32 @pthread_create(ptr %id, ptr null, ptr @worker, ptr %given)
  %bad = icmp ne i32 %e, 0
  br i1 %bad, label %done, label %one
one:
  %t = load i64, ptr %id
  %d = call i32 @pthread_detach(i64 %t)
  %more1 = add i64 %made, 1
  br label %more
done:
  store i64 %made, ptr @workers
  ret i64 %made
}
"""
"""Makes the workers; fewer than wanted where the system has no more."""

SHARE = f"""
define i64 @{NAME}(ptr %f, ptr %c, i64 %n, i64 %g) {{
entry:
  %few = icmp sle i64 %n, %g
  br i1 %few, label %alone, label %try
try:
  %pair = cmpxchg ptr @taken, i32 0, i32 1 seq_cst seq_cst
  %mine = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %mine, label %have, label %alone
alone:
  %own = call i64 %f(ptr %c, i64 0, i64 %n)
  ret i64 %own
have:
  %known = load i64, ptr @workers
  %none = icmp slt i64 %known, 0
  br i1 %none, label %make, label %go
make:
  %made = call i64 @spawn()
  br label %go
go:
  store ptr %f, ptr @function
  store ptr %c, ptr @closure
  store i64 %n, ptr @count
  store i64 %g, ptr @grain
  store i64 0, ptr @status
  store atomic i64 0, ptr @next seq_cst, align 8
  store atomic i64 {OPEN}, ptr @gate seq_cst, align 8
  %r = atomicrmw add ptr @round, i32 1 seq_cst
  %s = load atomic i32, ptr @sleeping seq_cst, align 4
  %some = icmp ne i32 %s, 0
  br i1 %some, label %call, label %run
call:
  %l = call i32 @pthread_mutex_lock(ptr @mutex)
  %b = call i32 @pthread_cond_broadcast(ptr @wake)
  %u = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %run
run:
  call void @pieces()
  %closed = atomicrmw sub ptr @gate, i64 {OPEN} seq_cst
  br label %wait
wait:
  %k = phi i64 [ 0, %run ], [ %k2, %on ]
  %a = load atomic i64, ptr @gate seq_cst, align 8
  %idle = icmp eq i64 %a, 0
  br i1 %idle, label %done, label %turn
turn:
  call void @pause()
  %k2 = add i64 %k, 1
  %m = and i64 %k2, 4095
  %yield = icmp eq i64 %m, 0
  br i1 %yield, label %give, label %on
give:
  %y = call i32 @sched_yield()
  br label %on
on:
  br label %wait
done:
  %status = load i64, ptr @status
  store atomic i32 0, ptr @taken seq_cst, align 4
  ret i64 %status
}}
"""
"""Shares a loop: takes the pool or runs alone, opens the gate, works, closes it, waits for those inside."""


def available() -> bool:
    """Whether there can be workers: several cores, and POSIX threads."""
    return count() > 1


def count() -> int:
    """How many threads share a loop."""
    return threads()


def start(code: Code) -> None:
    """Makes the pool ready; `code` is what was made of `text()`, and has to live on."""
    code.function("gemel_prepare", None, ctypes.c_int64)(count() - 1)
    if hasattr(os, "register_at_fork"):
        renew = code.function("gemel_prepare", None, ctypes.c_int64)
        os.register_at_fork(after_in_child=lambda: renew(count() - 1))


def text() -> str:
    """The pool as an LLVM module."""
    return "".join([_pause(), STATE, PREPARE, PIECES, WORKER, SPAWN, SHARE])


def _pause() -> str:
    """What a turn of a waiting loop does."""
    hint = "  call void @llvm.x86.sse2.pause()\n" if is_x86() else ""
    declared = "declare void @llvm.x86.sse2.pause()\n" if is_x86() else ""
    return f"{declared}define internal void @pause() alwaysinline {{\n{hint}  ret void\n}}\n"
