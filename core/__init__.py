"""The registry core: accounts, two ledgers, exchange link, day end. It knows one connection string and no node."""
