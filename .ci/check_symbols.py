"""No file compiled for one instruction set may emit code that others could end up with.

The linker keeps one copy of a weak symbol (an inline function, a template instance). Were it the copy of an
AVX-512 file, programs would crash on every other CPU. So what isa_<level>.o defines weakly has to be in that
level's namespace. (isa_baseline.o is for every CPU of the architecture: its copies may serve all.)
"""

import re
import subprocess
import sys
from pathlib import Path


def foreign_symbols(object_file: Path, level: str) -> list[str]:
    lines = subprocess.run(
        ["nm", "--defined-only", "--demangle", str(object_file)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    weak = (m.group(1) for line in lines if (m := re.match(r"[0-9a-f]+ [WVu] (.*)", line)))
    # DW.ref.* is a pointer to the C++ runtime's exception handler: data, the same in every copy.
    return [name for name in weak if f"::{level}::" not in name and not name.startswith("DW.ref.")]


def main(build: str) -> int:
    files = sorted(file for file in Path(build).rglob("isa_*.o") if not file.name.startswith("isa_baseline."))
    if not files:
        print(f"no isa_*.o below {build}")
        return 1
    bad = 0
    for file in files:
        level = re.match(r"isa_([a-z0-9]+)\.", file.name).group(1)
        for name in foreign_symbols(file, level):
            print(f"{file.parent.name}/{file.name}: weak symbol outside namespace {level}: {name}")
            bad += 1
    print(f"{len(files)} ISA object files, {bad} weak symbols outside their namespaces")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
