"""How long requests took by the server's own account: its histograms at
/metrics."""

import collections
import math
import re
import urllib.request

LINE = re.compile(r'(\w+)_bucket\{(.*)\} (\S+)')
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Latencies:
    """What they had counted at some moment."""

    def __init__(self, url):
        self._buckets = collections.defaultdict(int)
        with urllib.request.urlopen(url + "/metrics") as answer:
            for line in answer.read().decode().splitlines():
                match = LINE.match(line)
                if match:
                    labels = dict(LABEL.findall(match[2]))
                    bound = float(labels.pop("le"))
                    self._buckets[match[1], frozenset(labels.items()),
                                  bound] = int(float(match[3]))

    def p99_ms(self, before, name, **labels):
        """Of the requests since `before` in all histograms of that name that
        have those labels; within its bucket by a straight line."""
        counts = collections.Counter()
        for (other, others, bound), count in self._buckets.items():
            if other == name and labels.items() <= dict(others).items():
                counts[bound] += count - before._buckets[other, others, bound]
        assert counts[math.inf], f"{name} {labels} has counted nothing"
        rank = 0.99 * counts[math.inf]
        below, passed = 0, 0
        for bound in sorted(counts):
            if counts[bound] >= rank:
                break
            below, passed = bound, counts[bound]
        if bound == math.inf:
            return 1000 * below
        share = (rank - passed) / (counts[bound] - passed)
        return 1000 * (below + share * (bound - below))
