"""The volatility risk premium: what options charge for volatility over what is delivered.

Implied volatility is the VIX close, in annualised percent points for the next 30 days. Realised
volatility is that of the last 21 log returns. Carr and Wu, "Variance Risk Premiums", Review of
Financial Studies 22(3), 2009; Bollerslev, Tauchen and Zhou, "Expected Stock Returns and Variance
Risk Premia", same journal, 22(11), 2009, who take the last month's variance as its forecast.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optifire.core.errors import NoData

Vector = NDArray[np.float64]

#: Returns in a month, sessions in a year, and closes that a z-score is taken over.
MONTH, YEAR, Z_WINDOW = 21, 252, 252
#: Premium beyond which it is a signal, in volatility points.
EDGE = 5.0


@dataclass(frozen=True, slots=True)
class Premium:
    """Premium of the last close: in volatility points, and in squared percent a month."""

    vix: float
    realised: float
    vol: float
    variance: float
    z: float | None


def log_returns(closes: Vector) -> Vector:
    """Give ln(close / close before); one shorter than ``closes``."""
    logs = np.log(closes)
    return np.asarray(logs[1:] - logs[:-1])


def realised_vol(closes: pd.Series) -> pd.Series:
    """Give the annualised volatility, in percent points, of the last 21 log returns at each close.

    ``closes``: n prices, oldest first. The result has the last n - 21 labels; ddof is 1.
    """
    months = np.lib.stride_tricks.sliding_window_view(log_returns(closes.to_numpy()), MONTH)
    vols = 100.0 * math.sqrt(YEAR) * months.std(axis=1, ddof=1)
    return pd.Series(vols, index=closes.index[MONTH:])


def premium_series(vix: pd.Series, closes: pd.Series) -> pd.Series:
    """Give VIX less realised volatility, in points, at each label where both are known."""
    realised = realised_vol(closes)
    common = vix.index.intersection(realised.index)
    return vix.loc[common] - realised.loc[common]


def variance_premium(vix: float, returns: Vector) -> float:
    """Give monthly implied less monthly realised variance, in squared percent.

    ``VIX^2 / 12`` against the sum of 21 squared log returns in percent, times
    ``(252 / 12) / 21 = 1`` for the length of the month.
    """
    scale = (YEAR / 12) / MONTH
    return float(vix**2 / 12.0 - scale * np.sum((100.0 * returns[-MONTH:]) ** 2))


def expected_premium(vix: float, forecast: object) -> float | None:
    """Give VIX less the volatility forecast for the month ahead, in points.

    ``forecast`` is an annual fraction; None, or anything that is no positive finite number, gives
    None. Bekaert and Hoerova, "The VIX, the Variance Premium and Stock Market Volatility",
    Journal of Econometrics 183, 2014, show why a forecast says more than the month that is past.
    """
    if not isinstance(forecast, (int, float)) or not math.isfinite(forecast) or forecast <= 0.0:
        return None
    return vix - 100.0 * forecast


def z_score(series: Vector, window: int = Z_WINDOW) -> float | None:
    """Give where the last value lies in the last ``window``, in standard deviations (ddof 1).

    None with fewer values, or when they are all equal.
    """
    recent = series[-window:]
    if len(recent) < window or np.ptp(recent) == 0.0:
        return None
    return float((recent[-1] - recent.mean()) / recent.std(ddof=1))


def signal(premium: float) -> float:
    """Give -1 to sell volatility above +5 points, +1 to buy it below -5, else 0."""
    if premium > EDGE:
        return -1.0
    return 1.0 if premium < -EDGE else 0.0


def read(vix: pd.Series, closes: pd.Series) -> Premium:
    """Give the premium of the last close.

    Parameters
    ----------
    vix, closes
        By session, oldest first: VIX points, and index closes from at least 21 sessions earlier.

    Raises
    ------
    NoData
        Too few closes, a value that is not a positive finite number, or two series that do not
        end with the same session.
    """
    _check(vix, closes)
    series = premium_series(vix, closes).to_numpy()
    last = float(vix.iloc[-1])
    return Premium(
        vix=last,
        realised=last - float(series[-1]),
        vol=float(series[-1]),
        variance=variance_premium(last, log_returns(closes.to_numpy()[-MONTH - 1 :])),
        z=z_score(series),
    )


def _check(vix: pd.Series, closes: pd.Series) -> None:
    if len(closes) <= MONTH or len(vix) == 0:
        raise NoData(
            f"the premium needs a VIX close and {MONTH + 1} index closes, "
            f"{len(vix)} and {len(closes)} are visible",
            where="alpha_vrp",
            remedy="Add history or wait for it",
        )
    if vix.index[-1] != closes.index[-1]:
        raise NoData(
            f"the VIX ends at {vix.index[-1]}, the index at {closes.index[-1]}",
            where="alpha_vrp",
            remedy="Wait for the bar that is late, or add it",
        )
    used = np.concatenate((vix.to_numpy(), closes.to_numpy()))
    if not (np.isfinite(used).all() and (used > 0.0).all()):
        raise NoData("a close is not a price", where="alpha_vrp", remedy="Correct the bars")
