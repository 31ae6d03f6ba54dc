"""The HTTP side: reads a request, calls a rule or a query, writes the answer. No rules here."""
