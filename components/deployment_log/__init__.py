"""What a deployment did, step by step with durations, appended to a file of its stack.

The Pulumi CLI streams its events while it works; `record` makes a value of them, `text` lines.
"""
