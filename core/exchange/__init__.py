"""The link to the exchange: wire, session, two lines, intake."""
