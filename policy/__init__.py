"""The policy pack: rules that a stack's resources are held to, whoever's code made them. See docs/policy.md."""
