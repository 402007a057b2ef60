"""A share of a log's customers: what training costs as data grows, or a quick try of a setting."""

from dataclasses import replace

import numpy as np

from training.log.event_log import Log


def sample(log: Log, share: float, seed: int) -> Log:
    """Return `log` with about `share` of its customers; items and offers all stay.

    Customers are drawn under the seed, and those of a smaller share are among those of a greater.
    """
    drawn = np.random.default_rng([seed, 14]).random(len(log.customers)) < share
    customers = tuple(log.customers[at] for at in np.flatnonzero(drawn))
    places = {
        identifier: at
        for at, customer in enumerate(customers)
        for identifier in customer.identifiers
    }
    return replace(log, customers=customers, customer_of=places)
