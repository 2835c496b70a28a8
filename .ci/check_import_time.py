"""`import pytensor` (NumPy included) takes at most 0.12 s on a quiet machine; the limit leaves room for a busy one."""

import subprocess
import sys
import time

AIM, LIMIT = 0.12, 0.5


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return time.perf_counter() - start


def main() -> int:
    seconds("import pytensor")
    bare = min(seconds("pass") for _ in range(5))
    numpy = min(seconds("import numpy") for _ in range(5)) - bare
    ours = min(seconds("import pytensor") for _ in range(5)) - bare
    print(f"import pytensor: {ours:.3f} s (NumPy alone {numpy:.3f} s; aim {AIM} s, limit {LIMIT} s)")
    return ours > LIMIT


if __name__ == "__main__":
    sys.exit(main())
