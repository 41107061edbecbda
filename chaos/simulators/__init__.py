"""The counterparties: exchange and bank, with totals and balances of their own."""
