"""The rules of a compliance year, which are data: deadline, vintages, offset limit, time for reversal."""
