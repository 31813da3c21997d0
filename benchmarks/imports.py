"""What `import asyncteach` costs: its time over that of `import pandas`, each in a fresh Python.

Run it: `python benchmarks/imports.py`. The project promises at most 0.10.
"""

import subprocess
import sys
from statistics import median

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def cost(module: str) -> float:
    """Return the seconds of one import in a fresh interpreter."""
    command = [sys.executable, "-c", CODE.format(module)]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


if __name__ == "__main__":
    cost("asyncteach"), cost("pandas")  # fill the caches of files and bytecode
    ratios = sorted(cost("asyncteach") / cost("pandas") for _ in range(9))
    print("import asyncteach over import pandas: lowest, median, highest of 9")
    print(f"{ratios[0]:.3f}  {median(ratios):.3f}  {ratios[-1]:.3f}")
