"""From tick to record: clock, planner, resolver, admission, runner and recorder."""
