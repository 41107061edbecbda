"""The exchange as the registry meets it: two gateways, a file service, its own totals and its own nets."""
