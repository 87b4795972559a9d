"""A picture of a stack as a value: what there is to draw, before it is drawn. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.graph.chain import Chain, chain
from components.graph.inputs import Inputs
from components.graph.matrix import Matrix, matrix
from components.graph.variables import Variable, variables

Comparison = Literal["none", "first deployment", "compared"]
"""Whether differences are marked: nobody asked, there is no deployment to compare with, or they are."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything that is drawn of one stack."""

    stack: str
    comparison: Comparison
    api: str
    chain: Chain
    variables: tuple[Variable, ...]
    matrix: Matrix

    @property
    def differences(self) -> int:
        """How many lines of cards, permissions and the like are not as they were deployed."""
        items = sum(bool(item.mark) for link in self.chain.links for item in link.items)
        cells = sum(
            bool(cell.mark) for table in self.matrix.tables for role in table.roles for cell in role.cells
        )
        tables = sum(bool(table.mark) for table in self.matrix.tables)
        beyond = sum(bool(of) for thing in self.matrix.beyond for _, of in thing.roles)
        return items + cells + tables + beyond


def picture(of: Inputs, *, diff: bool = False) -> Picture:
    """The picture of a stack as its program wants it; with `diff`, marked where the last deployment differs."""
    was = of.before if diff and of.before is not None else of.now
    return Picture(
        stack=of.stack,
        comparison="none" if not diff else "first deployment" if of.before is None else "compared",
        api=of.now.output("graphqlUrl"),
        chain=chain(of.now, was),
        variables=variables(of.now, was),
        matrix=matrix(of.now, was),
    )
