"""Schedules: how a kernel is computed, step by step, each step checked on the kernel that it is applied to."""
