"""`gemel bench --hardware`: its kernels mean what the published ones do, and its table says what was measured."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from needs import needs
from rich.console import Console

from gemel.bench.hardware import area, command, goals, table, tablec, unrolled
from gemel.bench.hardware.cases import Case, published
from gemel.bench.hardware.measure import Row, Settings, measure
from gemel.bench.hardware.retyped import in_integers
from gemel.bench.hardware.runs import outcome, same
from gemel.bench.hardware.suites import every
from gemel.bench.hardware.unfinished import Unfinished
from gemel.errors import ArgumentError

CASES = {f"{c.group}/{c.name}": c for c in every()}
QUICK = Settings(quick=True)


def left(name: str) -> dict[str, np.ndarray[Any, Any]]:
    """What the interpreter leaves of a kernel's arguments, by name."""
    case = CASES[name]
    kernel = case.kernel()
    found = outcome(kernel.interpret, case.arguments())
    return {p.hint: a for p, a in zip(kernel.ir.params, found, strict=True)}


def given(name: str) -> dict[str, np.ndarray[Any, Any]]:
    case = CASES[name]
    return {p.hint: a for p, a in zip(case.kernel().ir.params, case.arguments(), strict=True)}


# ------------------------------------------------------------------------------------------------------------- kernels


def test_every_published_row_has_a_kernel_and_every_tool_is_described() -> None:
    groups = {g: rows for g, rows in published().items() if g != "tools"}
    assert {f"{g}/{name}" for g, rows in groups.items() for name in rows} <= set(CASES)
    assert {tool for rows in groups.values() for row in rows.values() for tool in row} <= set(published()["tools"])
    assert len(CASES) == len(every())


def test_products_of_the_published_inputs_are_right() -> None:
    a, got = given("tablec/gemm"), left("tablec/gemm")
    wanted = a["alpha_int"] * (a["A_int"] @ a["B_int"]) + a["beta_int"] * a["C_int"]
    np.testing.assert_array_equal(got["C_int"], wanted)
    a, got = given("tablec/3mm"), left("tablec/3mm")
    np.testing.assert_array_equal(got["G_int"], (a["A_int"] @ a["B_int"]) @ (a["C_int"] @ a["D_int"]))
    a, got = given("tablec/atax"), left("tablec/atax")
    np.testing.assert_array_equal(got["y_int"], a["A_int"].T @ (a["A_int"] @ a["x_int"]))
    a, got = given("tablec/doitgen"), left("tablec/doitgen")
    np.testing.assert_array_equal(got["A_int"], a["A_int"] @ a["C4_int"])


def test_triangles_stay_below_the_diagonal() -> None:
    a, got = given("tablec/syrk"), left("tablec/syrk")
    full = a["alpha_int"] * (a["A_int"] @ a["A_int"].T) + a["beta_int"] * a["C"]
    np.testing.assert_array_equal(got["C"], np.where(np.tri(12, dtype=bool), full, a["C"]))


def test_lu_divides_as_unsigned_numbers_do() -> None:
    a, got = given("tablec/lu")["A_int"].astype(object), left("tablec/lu")["A_int"]
    for i in range(8):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[:j, j] if j else a[i, j]) % 2**32 // a[j, j]
        for j in range(i, 8):
            a[i, j] = (a[i, j] - (a[i, :i] @ a[:i, j] if i else 0)) % 2**32
    np.testing.assert_array_equal(got, a.astype(np.uint32))


def test_roots_are_rounded_down() -> None:
    for x in (0, 1, 2, 3, 4, 15, 16, 65535, 65536, 10**6 - 1, 2**31, 65535**2 - 1, 65535**2, 2**32 - 1):
        assert tablec.isqrt.interpret(x) == math.isqrt(x), x


@pytest.mark.slow
@pytest.mark.parametrize("name", published()["unrolled"])
def test_unrolled_kernels_leave_what_the_others_do(name: str) -> None:
    as_name = name if name.isidentifier() else f"k{name}"
    args = CASES[f"unrolled/{name}"].arguments()
    whole = outcome(getattr(unrolled, as_name).interpret, args)
    assert same(whole, outcome(getattr(tablec, as_name).interpret, args))


# ------------------------------------------------------------------------------------------------------------- measure


def test_a_row_has_cycles_as_predicted() -> None:
    row = measure(CASES["tabled/dot 8"], QUICK)
    assert row["cycles"] == row["predicted"] == row["simulated"]["native"]
    assert row["ii"] == [1] and "failed" not in row and "refused" not in row


def test_what_refuses_is_told() -> None:
    def kernel() -> Any:
        raise ArgumentError("no such kernel", code="A09")

    row = measure(Case("loops", "none", kernel, tuple), QUICK)
    assert row["refused"] == "A09: no such kernel" and table.problems(row) == [row["refused"]]


def test_cells_are_counted_as_resources() -> None:
    cells = {"LUT6": 3, "LUT2": 1, "CARRY8": 4, "MUXF7": 1, "RAM32M16": 2, "SRL16E": 5, "FDRE": 7, "DSP48E2": 3}
    assert area.counted(cells | {"RAMB18E2": 1}) == area.Area(lut=25, lutram=21, ff=7, dsp=3, bram=0.5)


def test_rows_are_compared_with_the_figures_that_are_there() -> None:
    figures = {"vivado": {"cycles": 100, "lut": 50}, "piezo": {"cycles": 400}}
    rows = [
        {
            "group": "g",
            "kernel": "a",
            "cycles": 50,
            "area": {"lut": 100, "lutram": 4},
            "ii": [1, None],
            "published": figures,
        },
        {"group": "g", "kernel": "b", "cycles": 200, "ii": [2], "published": figures, "failed": ["cycles differ"]},
        {"group": "g", "kernel": "c", "refused": "H01: f32", "published": {}},
    ]
    assert table.means(rows) == {"g": {"vivado": {"cycles": 1.0, "lut": 2.0}, "piezo": {"cycles": 0.25}}}
    text = table.tables(rows, {"vivado": "V", "piezo": "P"})
    assert "100 0.50x" in text and "200!" in text and "refused" in text and "- b: cycles differ" in text
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1


def test_names_choose_groups_and_kernels() -> None:
    assert {c.group for c in command.chosen(every(), ["tablec"])} == {"tablec"}
    assert [c.name for c in command.chosen(every(), ["tablec/2mm"])] == ["2mm"]
    assert not {c.group for c in command.chosen(every(), [])} & set(command.ONLY_BY_NAME)
    with pytest.raises(ArgumentError, match="no kernel 'nonesuch'"):
        command.chosen(every(), ["nonesuch"])


def test_a_record_has_its_table_and_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "hw.json"
    command.run(Console(quiet=True), ["tabled/dot 8"], QUICK, path)
    data = json.loads(path.read_text())
    assert (
        data["rows"][0]["cycles"] < 20 and data["versions"]["gemel"] and data["means"]["tabled"]["bambu"]["cycles"] < 1
    )
    assert "dot 8" in path.with_suffix(".md").read_text()
    assert ElementTree.fromstring(path.with_suffix(".svg").read_text()).tag.endswith("svg")


def test_a_run_that_was_cut_off_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "hw.json", list[str]()

    def interrupted(case: Case, settings: Settings) -> Row:
        asked.append(case.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return measure(case, settings)

    monkeypatch.setattr(command, "measure", interrupted)
    command.run(Console(quiet=True), ["tabled/dot"], QUICK, path)
    assert [r["kernel"] for r in json.loads(path.read_text())["rows"]] == ["dot 8"]
    part = path.with_suffix(".part")
    part.write_text(part.read_text() + '{"group": "tabl')
    command.run(Console(quiet=True), ["tabled/dot"], QUICK, path)
    assert asked == ["dot 8", "dot 1024", "dot 1024"] and not part.exists()
    assert [r["kernel"] for r in json.loads(path.read_text())["rows"]] == ["dot 8", "dot 1024"]


def test_rows_of_another_run_are_not_taken(tmp_path: Path) -> None:
    row = {"group": "g", "kernel": "k"}
    Unfinished(tmp_path / "x.part", "a").keep(row)
    assert Unfinished(tmp_path / "x.part", "a").rows == {"g/k": row}
    assert Unfinished(tmp_path / "x.part", "b").rows == {}


def test_goals_are_judged_by_what_was_measured() -> None:
    figures = {"vivado": {"cycles": 100}, "piezo": {"lut": 50}}
    fast = {"group": "tablec", "kernel": "a", "cycles": 60, "predicted": 60, "area": {"lut": 45}, "ii": [1]}
    slow = {"group": "tablec", "kernel": "b", "cycles": 80, "predicted": 81, "ii": [1, 4], "bounds": ["j: II 4, ports"]}
    array = {"group": "systolic", "kernel": "4", "cycles": 18, "predicted": 18, "ii": [1], "published": {}}
    rows = [fast | {"published": figures}, slow | {"published": figures}, array]
    lines = goals.page({"rows": rows, "edit to cycles": {}}).splitlines()
    told = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")[4:6]] for line in lines if line[:1] == "|"}
    assert told["tablec: cycles over Vivado HLS, geometric mean"] == ["0.693", "aim"]
    assert told["tablec: LUTs over Piezo, geometric mean"] == ["0.9", "goal"]
    assert told["systolic: most cycles beyond 3N - 2"] == ["8", "no"]
    assert told["share of static kernels whose cycles were predicted wrong"] == ["0.333", "no"]
    assert "edit to cycles, seconds" not in told and "- tablec/b: j: II 4, ports" in lines


# -------------------------------------------------------------------------------------------------------------- suites


def test_suite_kernels_have_the_type_that_is_asked_for() -> None:
    for kind, wanted in (("i32", np.int32), ("f32", np.float32)):
        case = CASES[f"polybench-{kind}/mvt"]
        args = case.arguments()
        assert {a.dtype.type for a in args} == {wanted}
        x1, x2, y1, y2, a = args
        got = outcome(partial(case.kernel()), args)
        np.testing.assert_allclose(got[0], x1 + a @ y1, rtol=1e-4)
        np.testing.assert_allclose(got[1], x2 + a.T @ y2, rtol=1e-4)


@pytest.mark.parametrize(
    ("floats", "integers"),
    [
        ("a[i] = 0.33333 * (b + 2.0 * c)", "a[i] = (b + 2 * c) // 3"),
        ("a -= 0.7 * b / c", "a -= b * 7 // 10 // c"),
        ("w: f64 = 1.0\nw += a * b", "w: i32 = 1\nw = i32(w + a * b)"),
        ("y = gm.sqrt(f64(n))", "y = gm.cast(gm.sqrt(gm.cast(i32(n), gm.f32)), i32)"),
        ("if x <= 0.1 or x < 0.1:\n    a /= 2.0", "if x <= 0 or x < 1:\n    a //= 2"),
        ("from gemel import f64, i8", "from gemel import i32, i8"),
    ],
)
def test_sources_are_read_with_integers(floats: str, integers: str) -> None:
    inside = [f"def k(x):\n{indent(text, '    ')}\n" for text in (floats, integers)]
    assert in_integers(inside[0], "i32") == inside[1].rstrip()


def test_integer_kernels_do_what_their_float_ones_do() -> None:
    case = CASES["polybench-i32/jacobi-1d"]
    a, b, steps = case.arguments()
    got, other = outcome(case.kernel(), (a, b, steps))
    for _ in range(steps):
        b[1:-1] = (a[:-2] + a[1:-1] + a[2:]) // 3
        a[1:-1] = (b[:-2] + b[1:-1] + b[2:]) // 3
    np.testing.assert_array_equal((got, other), (a, b))
    refused = measure(CASES["polybench-i32/durbin"], QUICK)
    assert "between -1 and 1" in table.problems(refused)[0]


# ------------------------------------------------------------------------------------------------------------ identity


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tabled/product", "tabled/bicg"])
def test_all_engines_leave_the_same_bits(name: str) -> None:
    for tool in ("verilator", "icarus", "yosys"):
        needs(tool)
    row = measure(CASES[name], Settings(quick=True, identity=True))
    assert set(row["identity"].values()) == {"same"} and len(row["identity"]) == 6, row["identity"]
