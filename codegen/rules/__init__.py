"""The rules of default schedules: each a sequence of schedule steps for a kind of loop nest."""
