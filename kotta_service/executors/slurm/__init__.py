"""Runs attempts through Slurm, driven by its commands: `sbatch`, `squeue`, `scancel` and others."""
