"""Phi-accrual suspicion over the beats of the schedule."""
