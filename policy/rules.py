"""Every rule of the pack, in the order in which they are told."""

from __future__ import annotations

from typing import Final

from policy import access_rules, container_rules, engine_rules, token_rules

RULES: Final = (*access_rules.RULES, *token_rules.RULES, *engine_rules.RULES, *container_rules.RULES)
