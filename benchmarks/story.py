"""How close the story in real time comes to its plan: measured minutes over planned ones.

Run it on an idle machine: `python benchmarks/story.py`. A ratio of 1.00 is exact; the project
promises at most 1.05. Takes about half a minute.
"""

import asyncio
from statistics import median

from asyncteach import CHORES, LEISURE, run_in_turn, run_together

PLAN = {
    ("chores", "in turn"): (lambda: run_in_turn(CHORES), 100),
    ("chores", "together"): (lambda: asyncio.run(run_together(CHORES)), 40),
    ("leisure", "in turn"): (lambda: run_in_turn(LEISURE), 100),
    ("leisure", "together"): (lambda: asyncio.run(run_together(LEISURE)), 100),
}

if __name__ == "__main__":
    print("what     way       ratio to the plan: lowest, median, highest of 5")
    for (what, way), (run, planned) in PLAN.items():
        ratios = sorted(run().minutes / planned for _ in range(5))
        print(f"{what:8} {way:9} {ratios[0]:.3f}  {median(ratios):.3f}  {ratios[-1]:.3f}")
