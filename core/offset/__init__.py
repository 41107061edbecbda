"""Offset (抵销): units frozen in the offset registry (CCER), confirmed here, cancelled there, registered here."""
