"""`python -m benchmarks [NAME] [--smoke]`: run one benchmark, or all of them in turn."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HELPERS = {"__main__", "__init__", "report", "web_pages"}


def names() -> list[str]:
    """All benchmarks, by file name."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in HELPERS)


def main(arguments: list[str]) -> int:
    """Run them; the exit code is the worst of theirs."""
    chosen = [a for a in arguments if not a.startswith("-")] or names()
    if unknown := set(chosen) - set(names()):
        print(f"There is no benchmark {unknown.pop()!r}. There are: {', '.join(names())}.")
        return 2
    options = [a for a in arguments if a.startswith("-")]
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options]).returncode
        for name in chosen
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
