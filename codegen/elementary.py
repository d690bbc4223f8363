"""Elementary functions as functions of an LLVM module, from their definitions in the op tower."""

from __future__ import annotations

from collections.abc import Callable, Set

from gemel.codegen import llvmfloat
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.semantics import ops, tower
from gemel.semantics.dtypes import DType, FloatType
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref, Var
from gemel.semantics.ops import Op

SCALED = "gemel.scaled"

Emit = Callable[[Emitter, DType, list[tuple[str, DType]]], str]


def elementary(op: Op) -> Emit:
    """Emits calls of an elementary function; the module gets its definition once."""

    def run(out: Emitter, dtype: DType, args: list[tuple[str, DType]]) -> str:
        if not isinstance(dtype, FloatType):
            raise TypeError(f"{op.name} at {dtype}")
        return _call(out, tower.definition(op, dtype), dtype, [value for value, _ in args])

    return run


def _call(out: Emitter, made: tower.Definition, dtype: FloatType, args: list[str]) -> str:
    name = f'@"gemel.{made.name}.{dtype}"'
    out.declarations |= _function(made, name, dtype, out.half)
    kind = llvm_type(dtype)
    return out.value(f"call {kind} {name}({', '.join(f'{kind} {a}' for a in args)})")


def _function(made: tower.Definition, name: str, dtype: FloatType, half: bool) -> set[str]:
    """The text of a function, and what it needs from elsewhere."""
    out, kind = Emitter(half=half), llvm_type(dtype)
    values = {p: f"%p{n}" for n, p in enumerate(made.params)}
    body = _Body(out, values, name, made.numbers)
    for let in made.lets:
        values[let.var] = body.value(let.value)
        if let.var in made.scaled:
            values[let.var] = _scaled(out, kind, [*map(body.value, made.scaled[let.var]), values[let.var]])
    if made.rare is not None and made.otherwise is not None:
        out.branch(body.value(made.rare), "rare", "usual")
        out.start("rare")
        other = _call(out, made.otherwise, dtype, list(values.values())[: len(made.params)])
        out.do(f"ret {kind} {other}")
        out.start("usual")
    out.do(f"ret {kind} {body.value(made.result)}")
    params = ", ".join(f"{kind} {values[p]}" for p in made.params)
    inline = "noinline cold" if made.name.endswith(".far") else "alwaysinline"
    head = f"define internal {kind} {name}({params}) {inline} nounwind {{\nentry:"
    return {"\n".join([*body.tables, head, *out.lines, "}"]), *out.declarations}


def _scaled(out: Emitter, kind: str, args: list[str]) -> str:
    """x * 2**k as (x, k, the same in other steps): the third, but for vectors where one instruction does it."""
    name = f'@"{SCALED}.{kind}"'
    head = f"define internal {kind} {name}({kind} %x, {kind} %k, {kind} %made) alwaysinline nounwind {{"
    out.declarations.add(f"{head}\nentry:\n  ret {kind} %made\n}}")
    return out.value(f"call {kind} {name}({', '.join(f'{kind} {a}' for a in args)})")


class _Body:
    """Emits the expressions of one definition."""

    def __init__(self, out: Emitter, values: dict[Var, str], name: str, numbers: Set[Var]) -> None:
        self.out, self.values, self.name, self.numbers = out, values, name.strip('@"'), numbers
        self.tables: list[str] = []
        self.at: dict[object, str] = {}

    def value(self, e: Expr) -> str:
        """The LLVM value of an expression."""
        from gemel.codegen import llvmops

        match e:
            case Const():
                return llvmops.constant(e.value, e.dtype)
            case Ref():
                return self.values[e.var]
            case Load():
                return self._load(e)
            case Apply(op=ops.BITCAST, args=(Ref(var=var),)) if var in self.numbers:
                return llvmfloat.pattern(self.out, self.values[var], llvmfloat.float_type(var.dtype))
            case Apply():
                return llvmops.emit(e.op, e.dtype, [(self.value(a), a.dtype) for a in e.args], self.out)

    def _load(self, e: Load) -> str:
        kind, index = llvm_type(e.dtype), self.value(e.indices[0])
        if e.buffer not in self.at:
            self.at[e.buffer] = f'@"{self.name}.{e.buffer.hint}"'
            data = e.buffer.data
            from gemel.codegen import llvmops

            items = ", ".join(f"{kind} {llvmops.constant(x, e.dtype)}" for x in ([] if data is None else data.tolist()))
            size = 0 if data is None else len(data)
            self.tables.append(f"{self.at[e.buffer]} = private unnamed_addr constant [{size} x {kind}] [{items}]")
        place = self.out.value(f"getelementptr inbounds {kind}, ptr {self.at[e.buffer]}, i64 {index}")
        return self.out.value(f"load {kind}, ptr {place}")
