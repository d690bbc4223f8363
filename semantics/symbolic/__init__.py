"""Words as symbols: hash-consed terms of fixed width, their normal forms, and kernels run on them.

`terms` makes the terms, `normal` brings them to a canonical form (polynomials modulo a power of two over what isn't
arithmetic), `meaning` has the op table's ops on terms, `execute` runs the reference interpreter on them, `decide` says
whether two terms are equal. A plain Python integer is a known word; its width is what stands beside it.
"""
