"""Answers to the exercise of lesson 1."""

ANSWERS = {
    "six things to do": """
### a chore left for last | 140
tonight = CHORES[1:] + LEISURE + CHORES[:1]

### a list of lists | isn't true that tonight is a list
tonight = [CHORES, LEISURE]

### a quicker rice cooker | each of the six
tonight = [*LEISURE, *(chore(one.name, 0.001) for one in CHORES)]

### the number of minutes | It's 100
tonight = 100

### sorted in place | It's None
tonight = [*CHORES, *LEISURE].sort(key=lambda one: one.minutes)

### nothing at all | It's []
tonight = []

### right
tonight = [*CHORES, *LEISURE]

### right
tonight = sorted(LEISURE + CHORES, key=lambda one: one.attention)

### right
tonight = LEISURE[:1] + CHORES + LEISURE[1:]

### right
tonight = tuple(reversed(LEISURE + CHORES))
""",
}
