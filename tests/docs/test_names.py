"""What pip is told to install is ours."""

from __future__ import annotations

from tests.docs.pages import ROOT


def test_nobody_is_told_to_install_the_other_program() -> None:
    texts = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("loopd/**/*.py"), ROOT / "README.md"]
    texts += [*ROOT.glob("configs/*.yaml"), ROOT / "CONTRIBUTING.md"]
    for path in texts:
        if path.name == "changelog.md":
            continue
        text = path.read_text(encoding="utf-8").replace("argilla-loopd", "")
        assert "install loopd" not in text, path
        assert "loopd[" not in text, path
