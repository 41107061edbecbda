"""Who of a subject may act for its account, and with which right."""
