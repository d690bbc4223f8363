"""Types, IR, op table, rules, interpreter, analyses and rewrites: what a kernel means."""
