"""What a pipeline does with stacks: plans, deployments, drift, a stack for each pull request. See docs/ci.md."""
