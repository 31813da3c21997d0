"""Answers to the exercise of lesson 1."""

from . import read_answers

ANSWERS = {
    "six things to do": read_answers(
        """
### right
tonight = [*CHORES, *LEISURE]

### right
tonight = sorted(LEISURE + CHORES, key=lambda one: one.attention)

### right
tonight = LEISURE[:1] + CHORES + LEISURE[1:]

### right
tonight = tuple(reversed(LEISURE + CHORES))

### a chore left for last | 140
tonight = CHORES[1:] + LEISURE + CHORES[:1]

### something twice | each of the six
tonight = CHORES + LEISURE + CHORES

### a list of lists | one of the activities
tonight = [CHORES, LEISURE]

### a quicker rice cooker | each of the six
tonight = [*LEISURE, *(chore(one.name, 0.001) for one in CHORES)]

### the number of minutes | it's 100
tonight = 100

### sorted in place | give back
tonight = [*CHORES, *LEISURE].sort(key=lambda one: one.minutes)

### nothing at all | one of the activities
tonight = []
"""
    ),
}
