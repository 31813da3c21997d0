"""Answers to the exercise of lesson 1."""

from . import Answers

ANSWERS = {
    "six things to do": Answers(
        right=[
            "tonight = [*CHORES, *LEISURE]\n",
            "tonight = sorted(LEISURE + CHORES, key=lambda one: one.attention)\n",
            "tonight = LEISURE[:1] + CHORES + LEISURE[1:]\n",
            "tonight = tuple(reversed(LEISURE + CHORES))\n",
        ],
        wrong=[
            ("another order of the pastimes", "tonight = LEISURE[::-1] + CHORES\n", "140"),
            ("a chore left for last", "tonight = CHORES[1:] + LEISURE + CHORES[:1]\n", "140"),
            ("only the chores", "tonight = CHORES\n", "each of the six"),
            ("something twice", "tonight = CHORES + LEISURE + CHORES\n", "each of the six"),
            ("a list of lists", "tonight = [CHORES, LEISURE]\n", "one of the activities"),
            (
                "a quicker rice cooker",
                "tonight = [*LEISURE, *(chore(one.name, 0.001) for one in CHORES)]\n",
                "each of the six",
            ),
            (
                "what should be returned instead of what to do",
                'tonight = run_in_turn(CHORES + LEISURE, clock="virtual")\n',
                "is a list",
            ),
            ("the number of minutes", "tonight = 100\n", "it's an int"),
            ("the names of things", 'tonight = "CHORES + LEISURE"\n', "it's a str"),
            (
                "what is gone through once",
                "tonight = (one for one in CHORES)\n",
                "it's a generator",
            ),
            (
                "sorted in place",
                "tonight = [*CHORES, *LEISURE].sort(key=lambda one: one.minutes)\n",
                "in its place gives back",
            ),
            ("nothing at all", "tonight = []\n", "one of the activities"),
        ],
    )
}
