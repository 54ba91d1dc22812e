# SPDX-License-Identifier: Apache-2.0
"""The random numbers of src/base/random.h: SplitMix64, by seed and stream."""

MASK = 2**64 - 1


class Random:
    def __init__(self, seed, stream):
        self.state = seed
        self.state = self.next() ^ (stream * 0xD1342543DE82EF95) & MASK
        self.next()

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = ((self.state ^ self.state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        return z ^ z >> 31

    def unit(self):
        return (self.next() >> 11) * 2.0**-53

    def below(self, n):
        return (self.next() >> 32) * n >> 32

    def shuffled(self, n):
        order = list(range(n))
        for i in range(n - 1):
            j = i + self.below(n - i)
            order[i], order[j] = order[j], order[i]
        return order
