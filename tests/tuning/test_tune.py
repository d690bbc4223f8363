"""`gm.tune`: what is searched, what counts as better, what is kept and resumed; failing workers take nothing along."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32, i64
from gemel.codegen import tuned
from gemel.errors import ArgumentError, ScheduleError, ToolError
from gemel.tuning import job
from gemel.tuning.job import Answer, Job, look, packed
from gemel.tuning.log import Log, Trial
from gemel.tuning.search import FINALS, Ratio
from gemel.tuning.space import NO_STEPS
from gemel.tuning.tune import space_of

pytest.importorskip("optuna")

M, N, K = gm.dims("M N K")


def product() -> gm.Kernel:
    """A new kernel object, so that nothing but the disk remembers it."""

    @gm.kernel
    def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
        C = gm.zeros((M, N), f32)
        for i, j, k in gm.grid(M, N, K):
            C[i, j] += A[i, k] * B[k, j]
        return C

    return gemm.specialize(M=20, N=40, K=70)


@gm.kernel
def total(x: f32[N]) -> f32:
    return gm.sum(x)


@gm.kernel
def endless(x: i32[N], n: i64):
    while n < 1:
        x[0] += 1


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEMEL_TUNED", str(tmp_path / "tuned"))
    return tmp_path / "tuned"


Speed = Callable[[str], float | str]
"""The time of a schedule by its text, or why it fails."""


class Pretended(Executor):
    """An executor that measures nothing: times are made up from the steps, and jobs are noted."""

    def __init__(self, speed: Speed, noise: float = 0.001) -> None:
        self.speed, self.noise, self.jobs = speed, noise, list[Job]()
        self.answers: Callable[[Answer], Answer] = lambda a: a

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if fn is job.look:
            future.set_result(look())
        else:
            self.jobs.append(args[0])
            future.set_result(self.answers(self.answer(args[0])))
        return future

    def answer(self, asked: Job) -> Answer:
        speeds = [self.speed(s) for s in asked.schedules]
        rng = np.random.default_rng(len(self.jobs))
        times = [
            tuple(float(s * (1 + self.noise * rng.random())) for _ in range(asked.rounds))
            if not isinstance(s, str)
            else ()
            for s in speeds
        ]
        return Answer(tuple(times), tuple(s if isinstance(s, str) else "" for s in speeds), "", look().digest)


def rows(text: str) -> int:
    """The rows of a product's register tile; 0 without one."""
    return int(text.split("split('i_1', ")[1].split(",")[0]) if "split('i_1', " in text else 0


def by_rows(text: str) -> float:
    """Ten rows are best."""
    return 1.0 + abs(rows(text) - 10) / 10


def tuning(executor: Executor, k: gm.Kernel | None = None, **options: Any) -> Any:
    return gm.tune(k or product(), executor=executor, progress=False, **options)


# ---------------------------------------------------------------------------------------------------------- the search


@pytest.mark.slow
def test_the_best_is_found_and_kept() -> None:
    k = product()
    default = rows(k.schedule("default").text)
    assert default != 10
    found = tuning(Pretended(by_rows), k, trials=40)
    assert rows(found.schedule.text) == 10 and found.gain == pytest.approx(by_rows(k.schedule("default").text), 0.01)
    assert len(found.trials) == 40 and f"({found.gain:.2f} times as fast)" in str(found)
    assert k.schedule("cpu").text == f"# {k.schedule('cpu').note}\n{found.schedule.text}"
    assert product().schedule("cpu").note.startswith(f"tuned: {found.gain:.2f} times as fast")


@pytest.mark.slow
def test_a_kernel_that_has_run_is_compiled_anew() -> None:
    k, rng = product(), np.random.default_rng(1)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((20, 70), (70, 40)))
    before = k(a, b)
    tuning(Pretended(lambda text: 1.0 if text == NO_STEPS else 1.0 + 2 * ("A_pack" in text)), k, trials=30)
    assert "A_pack" not in k.schedule("cpu").text
    after = k(a, b)
    assert after.tobytes() == k.schedule("cpu").kernel.interpret(a, b).tobytes()
    np.testing.assert_allclose(before, after, 1e-4, 1e-4)


@pytest.mark.slow
def test_noise_is_not_kept(folder: Path) -> None:
    found = tuning(Pretended(lambda text: 1.0 if "A_pack" in text else 0.97, noise=0.5), trials=12)
    assert (found.gain, found.kept) == (1.0, None) and "by more than noise" in str(found)
    assert found.schedule.text == product().schedule("default").text
    assert list(folder.glob(f"*{tuned.SUFFIX}")) == []


@pytest.mark.slow
def test_the_best_are_measured_again_side_by_side() -> None:
    executor = Pretended(by_rows)
    tuning(executor, trials=20)
    first, between, last = executor.jobs[0], executor.jobs[1:-FINALS], executor.jobs[-FINALS:]
    assert len(first.schedules) == 1 and {len(j.schedules) for j in between} == {2}
    assert {len(j.schedules) for j in last} == {4} and len(set(last)) == 1
    assert len({j.schedules[0] for j in executor.jobs}) == 1
    assert len({j.schedules[1] for j in between}) == len(between), "none is measured twice"


@pytest.mark.slow
def test_the_winner_has_to_win_in_each_process() -> None:
    executor = Pretended(by_rows)

    def lucky(a: Answer) -> Answer:
        """Once in the end the default is as fast as all others."""
        once = len(a.times) == 4 and sum(len(j.schedules) == 4 for j in executor.jobs) == FINALS
        return replace(a, times=a.times[1:2] * 4) if once else a

    executor.answers = lucky
    assert tuning(executor, trials=12).gain == 1.0


@pytest.mark.slow
def test_a_confirmation_that_fails_keeps_nothing() -> None:
    executor = Pretended(by_rows)
    executor.answers = lambda a: Answer(broken="ended", digest=a.digest) if len(a.times) > 2 else a
    assert tuning(executor, trials=12).kept is None


@pytest.mark.slow
def test_candidates_that_fail_or_are_wrong_do_not_count() -> None:
    fails = Pretended(lambda text: by_rows(text) if rows(text) < 10 else "other integers")
    found = tuning(fails, trials=40)
    assert rows(found.schedule.text) < 10
    assert {t.why for t in found.trials} == {"", "other integers"}
    assert all((t.ratio is None) == bool(t.why) for t in found.trials)


@pytest.mark.slow
def test_workers_that_die_are_survived() -> None:
    executor = Pretended(by_rows)
    executor.answers = lambda a: Answer(broken="signal 11") if len(executor.jobs) % 2 and len(executor.jobs) > 1 else a
    found = tuning(executor, trials=10)
    assert [t.why for t in found.trials].count("signal 11") == 5


def test_a_search_ends_where_there_is_nothing_new() -> None:
    found = tuning(Pretended(lambda text: 1.0), total.specialize(N=200), trials=1000)
    assert 2 <= len(found.trials) < 20
    assert len({t.digest for t in found.trials}) == len(found.trials)


@pytest.mark.slow
def test_several_are_measured_at_a_time() -> None:
    class Slow(Pretended):
        held: ClassVar[list[tuple[Future[Any], Job]]] = []
        most = 0

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future = super().submit(fn, *args, **kwargs)
            if fn is job.look or len(args[0].schedules) != 2:
                return future
            later: Future[Any] = Future()
            self.held.append((later, args[0]))
            self.most = max(self.most, len(self.held))
            if len(self.held) == 3:
                self.release()
            return later

        def release(self) -> None:
            while self.held:
                later, asked = self.held.pop()
                later.set_result(self.answer(asked))

    executor = Slow(by_rows)
    assert len(tuning(executor, trials=9, jobs=3).trials) == 9 and executor.most == 3


# ------------------------------------------------------------------------------------------------------------ resuming


@pytest.mark.slow
def test_a_search_goes_on_where_it_ended() -> None:
    whole, first = Pretended(by_rows), Pretended(by_rows)
    assert len(tuning(first, trials=7).trials) == 7
    then = Pretended(by_rows)
    found = tuning(then, trials=12)
    assert len(found.trials) == 12 and len(then.jobs) == 1 + 5 + FINALS
    seen = {j.schedules[1] for j in first.jobs if len(j.schedules) == 2}
    assert seen.isdisjoint(j.schedules[1] for j in then.jobs if len(j.schedules) == 2)
    assert len(tuning(whole, trials=7, anew=True).trials) == 7 and len(whole.jobs) == 1 + 7 + FINALS


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is() -> None:
    executor = Pretended(by_rows)

    def interrupted(a: Answer) -> Answer:
        if len(executor.jobs) == 8:
            raise KeyboardInterrupt
        return a

    executor.answers = interrupted
    found = tuning(executor, trials=30)
    assert len(found.trials) == 6 and "stopped early" in str(found)
    assert len(tuning(Pretended(by_rows), trials=8).trials) == 8


def test_minutes_end_a_search() -> None:
    assert len(tuning(Pretended(by_rows), minutes=1e-9).trials) == 0


def test_trials_of_another_default_are_dropped(folder: Path) -> None:
    tuning(Pretended(by_rows), trials=4)
    (path,) = folder.glob("trials/*")
    about, *lines = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(about), "default": "another"}), *lines]))
    executor = Pretended(by_rows)
    assert len(tuning(executor, trials=4).trials) == 4 and len(executor.jobs) >= 5


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    path, about = tmp_path / "log", {"gemel": "1"}
    log = Log.opened(path, about)
    good = Trial({"a": 3}, {"a": (1, 4)}, "d", 0.5)
    log.add(good)
    log.add(replace(good, ratio=None, why="wrong"))
    lines = path.read_text().splitlines()
    bad = [lines[1][:-5], "7", "{}", lines[1].replace("[1, 4]", "[9, 4]"), lines[1].replace('"a": 3', '"b": 3')]
    path.write_text("\n".join([*lines, *bad]))
    assert Log.opened(path, about).trials == log.trials
    assert len(path.read_text().splitlines()) == 3
    path.write_bytes(b"\xff\x00")
    assert Log.opened(path, about).trials == []


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("options", [{"trials": -1}, {"jobs": 0}, {"minutes": 0}, {"minutes": float("nan")}])
def test_limits_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError) as caught:
        tuning(Pretended(by_rows), **options)
    assert caught.value.code == "A06"


def test_what_can_not_be_tuned_is_told() -> None:
    @gm.kernel(fp="strict")
    def strict(x: f32[N]) -> f32:
        return gm.sum(x)

    @gm.kernel
    def added(x: i32[N]) -> i32[N]:
        return gm.cast(x + 1, i32)

    hand = total.schedule(N=64).split("k", 8).kernel if "k in" in str(total.schedule(N=64)) else None
    for k, word in (
        (strict.specialize(N=64), "strict"),
        (added.specialize(N=64), "nothing to choose"),
        (hand, "schedule"),
    ):
        if k is not None:
            with pytest.raises(ScheduleError) as caught:
                tuning(Pretended(by_rows), k)
            assert caught.value.code == "K04" and word in str(caught.value)


def test_sizes_have_to_be_known() -> None:
    with pytest.raises(gm.errors.ShapeError) as caught:
        tuning(Pretended(by_rows), total)
    assert caught.value.code == "S04"


def test_workers_of_another_kind_are_told() -> None:
    executor = Pretended(by_rows)
    executor.answers = lambda a: replace(a, digest="elsewhere") if len(executor.jobs) > 3 else a
    with pytest.raises(ToolError, match="several kinds"):
        tuning(executor)
    assert len(tuning(Pretended(by_rows), trials=2).trials) == 2, "what was measured is kept"


def test_an_executor_that_breaks_is_told() -> None:
    class Breaking(Pretended):
        after = 0

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("the pool is gone"))
            return future if len(self.jobs) == self.after else super().submit(fn, *args, **kwargs)

    for after in (0, 3):
        executor = Breaking(by_rows)
        executor.after = after
        with pytest.raises(ToolError, match="the pool is gone"):
            tuning(executor)


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(ToolError) as caught:
        tuning(Pretended(by_rows))
    assert caught.value.code == "X02"


@pytest.mark.slow
def test_without_a_database_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMEL_TUNED", "off")
    found = tuning(Pretended(by_rows), trials=25)
    assert found.gain > 1 and found.kept is None and "GEMEL_TUNED is off" in str(found) and not folder.exists()


def test_optuna_is_asked_for_in_time(tmp_path: Path) -> None:
    """Without it the rest of the package works, and the search tells."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nsys.modules['optuna'] = None\nimport gemel as gm\nfrom gemel import f32\nN = gm.dims('N')\n"
        "@gm.kernel\ndef total(x: f32[N]) -> f32:\n    return gm.sum(x)\n"
        "if __name__ == '__main__':\n"
        "    try:\n        gm.tune(total.specialize(N=64), progress=False)\n"
        "    except gm.errors.ToolError as error:\n        print(error.mend)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout == "pip install 'gemel[tune]'\n", done.stderr


# -------------------------------------------------------------------------------------------------------- measurements


def test_ratios_are_medians_with_a_bound() -> None:
    ratio = Ratio.of([2.0] * 9 + [9.0], [1.0] * 10)
    assert ratio.median == 2.0 and ratio.bound == 2.0
    assert Ratio.of([1.0] * 3, [1.0] * 3).bound == float("inf"), "three turns say little"


def measured(k: gm.Kernel, *schedules: str, **options: Any) -> Answer:
    given = {"arguments": 0, "rounds": 6, "seconds": 0.2, "patience": 60.0, "clock": "cpu", **options}
    return job.run(Job(packed(k.ir), schedules, **given))


@pytest.mark.slow
def test_schedules_are_timed_in_turns() -> None:
    k = product()
    text = k.schedule("default").text
    answer = measured(k, text, text, NO_STEPS)
    assert answer.broken == "" and answer.failed == ("", "", "") and answer.digest == look().digest
    base, same, _ = answer.times
    assert len(base) == len(same) == 6 and all(1e-8 < t < 1e-2 for t in base)


@pytest.mark.slow
def test_arguments_may_be_given() -> None:
    x = np.full(5, 7, np.int32)
    assert measured(endless.specialize(N=5), "", arguments=pickle.dumps([x, 5])).broken == ""


@pytest.mark.slow
def test_a_run_that_does_not_end_is_given_up() -> None:
    stuck = measured(endless.specialize(N=5), "", arguments=pickle.dumps([np.zeros(5, np.int32), 0]), patience=3.0)
    assert stuck.broken == "not done after 3 s"


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return os.abort, ()


@pytest.mark.slow
def test_a_crash_is_survived() -> None:
    assert measured(product(), "", arguments=pickle.dumps([Bomb()])).broken == "the process was ended by signal 6"
    assert "failed" in measured(product(), "", arguments=b"no pickle").broken


@pytest.mark.slow
def test_a_kernel_that_fails_on_its_arguments_is_told() -> None:
    @gm.kernel
    def picked(x: f32[N], at: i32[N]) -> f32:
        y = gm.empty((N,), f32)
        for i in range(N):
            y[i] = x[at[i]]
        return gm.sum(y)

    with pytest.raises(ArgumentError) as caught:
        gm.tune(picked.specialize(N=64), progress=False)
    assert caught.value.code == "A10" and "index" in str(caught.value)


# ------------------------------------------------------------------------------------------------------------ for real


@pytest.mark.slow
def test_a_real_search(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(3000).astype(np.float32)
    found = gm.tune(total, x, trials=3, progress=False)
    assert len(found.trials) == 3 and all(t.ratio is not None and 0.1 < t.ratio < 10 for t in found.trials)
    assert total(x) == total.schedule_for(x, start="cpu").kernel.interpret(x)


@pytest.mark.slow
def test_a_process_pool_measures() -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = tuning(pool, trials=4, jobs=2)
    assert len(found.trials) == 4 and all(t.ratio is not None for t in found.trials)


@pytest.mark.slow
def test_a_dask_cluster_measures() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = tuning(client.get_executor(), trials=3, jobs=2)
    assert len(found.trials) == 3 and all(t.ratio is not None for t in found.trials)


def test_each_choice_is_named_and_there_are_several() -> None:
    space = space_of(product().ir)
    assert space.size > 100 and space.default.text == product().schedule("default").text
    near = [space.near(picks) for picks in space.neighbours()]
    assert len({c.digest for c in near}) > 5
    assert all(sum(a != space.default.picks.get(n) for n, a in c.picks.items()) >= 1 for c in near)
