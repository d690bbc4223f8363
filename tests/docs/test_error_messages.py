"""The comparison with other compilers is what its record says."""

from __future__ import annotations

import error_messages


def test_the_page_is_up_to_date() -> None:
    assert error_messages.PAGE.read_text(encoding="utf-8") == error_messages.page()


def test_each_script_marks_its_mistake() -> None:
    for path in error_messages.HERE.glob("*.txt"):
        _, scripts = error_messages.sections(path)
        assert "gemel" in scripts and len(scripts) > 2
        assert all(script.count("#!") == 1 for script in scripts.values()), path.name


def test_carets_are_read() -> None:
    said = "    x = a + facter\n            ^^^^^^\n"
    assert error_messages.points(said, "x = a + facter", "facter")
    assert not error_messages.points(said.replace("            ^", "    ^"), "x = a + facter", "facter")
