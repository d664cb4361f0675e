"""Looking after the service: health, meter, logs, readiness and what this machine offers."""
