"""The live proof: two users sign in at Clerk, and each sees their own row and nothing else."""
