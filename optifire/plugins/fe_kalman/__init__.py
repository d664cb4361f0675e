"""Local level of log prices by the Kalman filter."""
