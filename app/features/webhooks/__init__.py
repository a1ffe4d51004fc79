"""Events, delivered to addresses of yours: signed, retried, and every attempt written down."""
