"""Parallel loops: the same bits with any number of threads, from several Python threads, and after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32

M, N = gm.dims("M N")


@gm.kernel
def scaled(a: f32[M, N], k: f32) -> f32[M, N]:
    out = gm.empty((M, N), f32)
    for i in gm.parallel(range(M)):
        row = gm.zeros((N,), f32)
        for j in range(N):
            row[j] = a[i, j] * k
        for j in range(N):
            out[i, j] = row[N - 1 - j] + gm.sqrt(a[i, j])
    return out


@gm.kernel
def rows(a: i32[M, N]) -> i32[M]:
    out = gm.zeros((M,), i32)
    for i in gm.parallel(range(M)):
        for j in range(N):
            out[i] += a[i, j]
    return out


def wanted(a: np.ndarray, k: float) -> np.ndarray:
    return (a * np.float32(k))[:, ::-1] + np.sqrt(a)


def run(code: str, **environment: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PRELUDE = """
import os
import numpy as np
import gemel as gm
from gemel import i32
k = gm.parse('''
kernel rows(a: i32[4000, 50]) -> (out: i32[4000]) {
  for i in 0 .. 4000 parallel {
    out[i] = 0:i32
    for j in 0 .. 50 {
      out[i] add= a[i, j]
    }
  }
}''')
a = np.arange(200000, dtype=np.int32).reshape(4000, 50) % 1000
right = lambda: bool((k(a) == a.sum(axis=1)).all())
"""


def test_parallel_loop_has_the_interpreters_bits() -> None:
    a = np.random.default_rng(1).random((37, 19), dtype=np.float32)
    assert scaled(a, 2.5).tobytes() == scaled.interpret(a, 2.5).tobytes()
    b = np.arange(37 * 19, dtype=np.int32).reshape(37, 19)
    assert (rows(b) == b.sum(axis=1)).all()


def test_parallel_loop_of_no_and_of_one_iteration() -> None:
    for m in (0, 1):
        a = np.ones((m, 5), np.float32)
        assert (scaled(a, 2.0) == wanted(a, 2.0)).all()


def test_loops_are_outlined_only_without_checks() -> None:
    text = rows.compile(M=40, N=4).llvm
    assert ("gemel_parallel" in text) == (os.environ.get("GEMEL_THREADS") != "1" and len(os.sched_getaffinity(0)) > 1)


def test_many_python_threads() -> None:
    a = np.random.default_rng(2).random((200, 300), dtype=np.float32)
    compiled = scaled.compile(M=200, N=300)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda k: compiled(a, float(k)), range(60)))
    for k, got in enumerate(results):
        np.testing.assert_array_equal(got, wanted(a, k))


def test_number_of_threads_changes_no_bit() -> None:
    code = PRELUDE + "print(right(), 'gemel_parallel' in k.compile().llvm)"
    assert run(code, GEMEL_THREADS="1").split() == ["True", "False"]
    assert run(code, GEMEL_THREADS="3").split() == ["True", "True"]


def test_fork() -> None:
    code = PRELUDE + textwrap.dedent("""
        assert right()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if all(right() for _ in range(20)) else 1)
        ok = right()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), ok)
    """)
    assert run(code, GEMEL_THREADS="2").split() == ["0", "True"]


def test_parallel_loop_inside_a_parallel_loop() -> None:
    kernel = gm.parse("""
kernel nested(a: f32[40, 30]) -> (out: f32[40, 30]) {
  for i in 0 .. 40 parallel {
    for j in 0 .. 30 parallel {
      out[i, j] = a[i, j] * 2.0:f32
    }
  }
}""")
    a = np.random.default_rng(3).random((40, 30), dtype=np.float32)
    assert (kernel(a) == a * 2).all()


def test_accumulations_into_one_element_run_in_one_thread() -> None:
    code = PRELUDE + textwrap.dedent("""
        k = gm.parse('''
        kernel total(a: i32[4000, 50]) -> (out: i32[2]) {
          out[0] = 0:i32
          out[1] = 0:i32
          for i in 0 .. 4000 parallel {
            for j in 0 .. 50 {
              out[1] add= a[i, j]
            }
          }
        }''')
        print(all(k(a)[1] == a.sum() for _ in range(50)), "gemel_parallel" in k.compile().llvm)
    """)
    assert run(code, GEMEL_THREADS="4").split() == ["True", "False"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_threads_that_cannot_be_made_are_done_without() -> None:
    """No room for the stack of a thread: the caller does all the work."""
    code = PRELUDE + textwrap.dedent("""
        import resource, threading
        kernel_is_there = k.compile()
        pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        threading.stack_size(64 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (pages + (6 << 20), resource.RLIM_INFINITY))
        print(right(), threading.active_count())
    """)
    assert run(code, GEMEL_THREADS="8").split() == ["True", "1"]
