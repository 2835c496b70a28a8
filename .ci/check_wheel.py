"""The wheel: at most 4 MB, no sources or headers in it, one extension module."""

import sys
import zipfile
from pathlib import Path

LIMIT = 4_000_000


def main(wheel: str) -> int:
    size = Path(wheel).stat().st_size
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    problems = [f"{name} does not belong in the wheel" for name in names if name.endswith((".cpp", ".h", ".inc", ".o"))]
    if size > LIMIT:
        problems.append(f"{size} bytes, more than {LIMIT}")
    if sum(name.endswith(".so") for name in names) != 1:
        problems.append("not exactly one extension module")
    print(f"{Path(wheel).name}: {size / 1e6:.2f} MB, {len(names)} files", *problems, sep="\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
