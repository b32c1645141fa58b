"""The count: how many stand together when everyone's own condition is kept. spec/count.md.

F(n) = number of conditions <= n;  N* = the greatest n with F(n) >= n, found from n = all by n <- F(n).
"""

from collections import Counter
from collections.abc import Iterable, Mapping


def self_consistent_count(at_least: Iterable[int]) -> int:
    """N*: the largest number of people who can stand together, each asking for `at_least` in all (1 or more)."""
    return n_star(Counter(at_least))


def n_star(conditions: Mapping[int, int]) -> int:
    """N* from how many people ask for each number."""
    n = sum(conditions.values())
    while (willing := standing(conditions, n)) < n:
        n = willing
    return n


def standing(conditions: Mapping[int, int], n: int) -> int:
    """F(n): how many would stand if `n` did."""
    return sum(people for asked, people in conditions.items() if asked <= n)
