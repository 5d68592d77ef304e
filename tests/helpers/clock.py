"""A clock for trainings that are to last some seconds: no test depends on how fast the machine is just then."""


class Clock:
    """In place of the module `time`: it goes on by TICK at each look, so that a step, which looks twice, takes one.

    A power of two, of which sums are exact: a training of n TICKs has n steps.
    """

    TICK = 2.0**-10

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += self.TICK
        return self.now
